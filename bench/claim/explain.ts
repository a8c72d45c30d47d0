import type { Run } from '../../src/db/hot.ts';

/** What PostgreSQL says of one statement that it ran. */
export interface Explained {
  /** Pages of 8 KiB that the statement looked at, found in memory or not; the trigger's are not among them. */
  buffers: number;
  /** Of these, the pages that choosing the rows took. */
  choosingBuffers: number;
}

/**
 * Runs one of our statements through EXPLAIN (ANALYZE, BUFFERS), as the function that holds it sends it.
 *
 * @param call must send one statement and cope with no rows
 */
export async function explain(run: Run, call: (run: Run) => Promise<unknown>): Promise<Explained> {
  let answer: PlanAnswer | undefined;
  const asking: Run = async ({ name, text }, params) => {
    const rows = await run<{ 'QUERY PLAN': [PlanAnswer] }>({ name: `explain_${name}`, text: `explain (analyze, buffers, format json) ${text}` }, params);
    answer = rows[0]!['QUERY PLAN'][0];
    return [];
  };
  await call(asking);
  if (answer === undefined) throw new TypeError('explain() was given a call that sends no statement.');
  const choosing = [...walk(answer.Plan)].find((node) => node['Subplan Name'] === 'CTE eligible');
  return {
    buffers: buffersOf(answer.Plan),
    choosingBuffers: choosing === undefined ? 0 : buffersOf(choosing),
  };
}

interface PlanNode {
  'Subplan Name'?: string;
  'Shared Hit Blocks'?: number;
  'Shared Read Blocks'?: number;
  Plans?: PlanNode[];
}

interface PlanAnswer {
  Plan: PlanNode;
}

// A node's count holds those of the nodes below it.
const buffersOf = (node: PlanNode): number => (node['Shared Hit Blocks'] ?? 0) + (node['Shared Read Blocks'] ?? 0);

function* walk(node: PlanNode): Generator<PlanNode> {
  yield node;
  for (const below of node.Plans ?? []) yield* walk(below);
}
