import type { EntityManager } from '@mikro-orm/postgresql';
import type { QueueWorker } from '@bull-board/api/typings/app';
import { readDaemons, type DaemonReport } from '../../db/daemons.ts';

/** A living daemon or worker, as the board shows it and with what it can do. */
export interface BoardWorker extends Pick<DaemonReport, 'role' | 'labels'> {
  shown: QueueWorker;
}

/** The daemons and workers that are alive, oldest first. */
export async function readWorkers(em: EntityManager): Promise<BoardWorker[]> {
  const alive = (await readDaemons(em)).filter(({ state }) => state === 'alive');
  return alive.map(({ id, role, labels, host, pid, version, upSeconds }) => {
    const marked = labels.length === 0 ? '' : ` [${labels.join(', ')}]`;
    return { role, labels, shown: { id: String(id), name: `${role} ${id}${marked} (Afterglow ${version})`, addr: `${host}:${pid}`, age: Math.floor(upSeconds) } };
  });
}

/** Whether it works on a task: those without an object are for daemons alone, and labels may be required. */
export const worksOn = ({ role, labels }: BoardWorker, { kind, requires }: { kind: string; requires: readonly string[] }): boolean =>
  kind === 'system' ? role === 'daemon' : requires.every((label) => labels.includes(label));
