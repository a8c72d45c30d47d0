import type { Run, Statement } from './hot.ts';

/** Of an EntityManager, what it takes to run a statement in its transaction. */
export interface Executes {
  execute(sql: string, params: unknown[]): Promise<unknown>;
}

/** A way for statements of ours through an EntityManager: in its transaction, where one has begun. Lists are given as text, `{1,2}`. */
export const within = (em: Executes): Run => async <Row extends object>({ text }: Statement, params: readonly unknown[]) => {
  const inOrder: unknown[] = [];
  const asked = text.replaceAll(/\$(\d+)/g, (_all, number) => {
    inOrder.push(params[Number(number) - 1]);
    return '?';
  });
  return (await em.execute(asked, inOrder)) as Row[];
};
