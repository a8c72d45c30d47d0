import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../db/database.ts';
import { describeObstacle } from '../engine/explain/describe.ts';
import { explain, type Explanation, type Obstacle, type RunnerFacts } from '../engine/explain/obstacles.ts';
import { readSnapshot } from '../engine/explain/snapshot.ts';

/** Where an object of a batch stands. */
export interface BatchObject {
  name: string;
  /** `completed`: every task succeeded. `stuck`: nothing of it will go on by itself. `open`: something of it runs, or will. */
  state: 'completed' | 'stuck' | 'open';
  /** Of a stuck object: what it comes down to, sentences. */
  because: string;
}

/** How far a batch is. */
export interface BatchProgress {
  completed: number;
  stuck: number;
  open: number;
  /** Entries of all objects, and those that are done. */
  entries: number;
  done: number;
}

export interface WatchOptions {
  /** What is known of runners, by task. */
  runners: ReadonlyMap<string, RunnerFacts>;
  /** Wait until every object is completed or stuck; else look once. */
  wait: boolean;
  /** Seconds after which waiting ends anyhow. */
  mostSeconds?: number | undefined;
  /** Seconds for which nothing must have moved before it is asked what keeps the open ones; a daemon that is just starting needs a few. */
  patienceSeconds?: number;
  /** Hears how far it is, at every look. */
  onProgress?: (progress: BatchProgress) => void;
}

const LOOK_MS = 500;
/** Objects whose entries are explained in one question. */
const AT_ONCE = 100;

/**
 * Watches objects until each is completed or stuck, by what keeps its entries from running, so that it always comes to an end: where nothing
 * moves and nothing will, it says so instead of waiting.
 *
 * @returns the objects in the order of their names given; some are `open` only where the time was over, or where nobody waits
 */
export async function watchObjects(database: Pick<Database, 'em' | 'hot'>, names: readonly string[], options: WatchOptions): Promise<BatchObject[]> {
  const { wait, mostSeconds = Infinity, patienceSeconds = 10, onProgress } = options;
  const began = performance.now();
  let moved = began;
  let before = '';
  for (;;) {
    const looked = performance.now();
    const rows = await statesOf(database, names);
    const now = performance.now();
    const lookedMs = now - looked;
    const seen = JSON.stringify(rows);
    if (seen !== before) moved = now;
    before = seen;
    onProgress?.(progressOf(rows));
    const open = rows.filter((row) => !isAtRest(row)).map(({ name }) => name);
    const isOver = !wait || now - began >= mostSeconds * 1000;
    let stuck: ReadonlyMap<string, BatchObject> | undefined;
    if (open.length > 0 && !isOver) {
      // Asked again when nothing has moved for as long once more: asking costs more than looking.
      if (now - moved >= patienceSeconds * 1000) {
        moved = now;
        stuck = await allStuck(database, open, options);
      }
      if (stuck === undefined) {
        // A look at very many objects takes a while; it should not take all of the database's time.
        await delay(Math.max(LOOK_MS, 5 * lookedMs));
        continue;
      }
    }
    const found = new Map([...(await judged(database, rows.filter(({ state }) => state === 'blocked').map(({ name }) => name), options)), ...(stuck ?? [])]);
    return rows.map(({ name, state }) => found.get(name) ?? { name, state: state === 'completed' ? 'completed' : 'open', because: '' });
  }
}

const isAtRest = ({ state }: Row): boolean => state === 'completed' || state === 'blocked';

/** What keeps each of the objects, where none of them will move; undefined as soon as one is found that will. */
async function allStuck(database: Pick<Database, 'hot'>, names: readonly string[], options: WatchOptions): Promise<ReadonlyMap<string, BatchObject> | undefined> {
  const found = new Map<string, BatchObject>();
  for (let from = 0; from < names.length; from += AT_ONCE) {
    for (const [name, object] of await judged(database, names.slice(from, from + AT_ONCE), options)) {
      if (object.state === 'open') return undefined;
      found.set(name, object);
    }
  }
  return found;
}

interface Row {
  name: string;
  state: 'waiting' | 'processing' | 'completed' | 'blocked' | null;
  total: number;
  done: number;
  /** The last change of any entry. */
  changed: string | null;
}

async function statesOf({ em }: Pick<Database, 'em'>, names: readonly string[]): Promise<Row[]> {
  return em().execute<Row[]>(
    `select g.name, v.state, coalesce(v.total, 0)::integer as total, coalesce(v.done, 0)::integer as done,
            (select max(r.last_modified) || '' || sum(r.attempt) from task_register r where r.subject_id = s.id) as changed
       from jsonb_array_elements_text(?::jsonb) with ordinality as g(name, place)
       join subject s on s.kind = 'transient' and s.name = g.name
       left join lateral (select * from subject_state v where v.subject_id = s.id) v on true
      order by g.place`,
    [JSON.stringify(names)],
  );
}

function progressOf(rows: readonly Row[]): BatchProgress {
  const count = (state: Row['state']) => rows.filter((row) => row.state === state).length;
  const [completed, stuck] = [count('completed'), count('blocked')];
  const sum = (of: (row: Row) => number) => rows.reduce((all, row) => all + of(row), 0);
  return { completed, stuck, open: rows.length - completed - stuck, entries: sum(({ total }) => total), done: sum(({ done }) => done) };
}

async function judged(database: Pick<Database, 'hot'>, names: readonly string[], { runners }: WatchOptions): Promise<Map<string, BatchObject>> {
  const found = new Map<string, BatchObject>();
  for (let from = 0; from < names.length; from += AT_ONCE) {
    const chunk = names.slice(from, from + AT_ONCE);
    const snapshot = await readSnapshot(database.hot.run, chunk);
    const bySubject = Map.groupBy(explain(snapshot, runners), ({ subject }) => subject);
    for (const name of chunk) found.set(name, judge(name, bySubject.get(name) ?? [], new Date(snapshot.now)));
  }
  return found;
}

function judge(name: string, entries: readonly Explanation[], now: Date): BatchObject {
  if (entries.length === 0) return { name, state: 'stuck', because: 'No task is for it.' };
  if (entries.every(({ type }) => type === 'success')) return { name, state: 'completed', because: '' };
  if (entries.some(({ obstacles }) => obstacles.every(willPass))) return { name, state: 'open', because: '' };
  const reasons = entries
    .filter(({ type, obstacles }) => type !== 'success' && !obstacles.some(({ kind }) => kind === 'prerequisite'))
    .map(({ subject, task, status, obstacles }) => {
      const done = obstacles.find((one) => one.kind === 'done');
      const others = obstacles.filter((one) => one.kind !== 'done' && !willPass(one)).map((obstacle) => describeObstacle(obstacle, { subject, task, now }));
      return [`"${task}" is "${status}"${done?.reason ? `: ${done.reason.replace(/\.$/, '')}` : ''}.`, ...others].join(' ');
    });
  return { name, state: 'stuck', because: reasons.join(' ') };
}

/** Whether something keeps an entry for a while only, whatever people do. */
function willPass(obstacle: Obstacle): boolean {
  switch (obstacle.kind) {
    case 'running':
    case 'turn':
    case 'due':
    case 'limit':
    case 'dispatched':
    case 'no place':
      return true;
    case 'window':
      return obstacle.opensAt !== null;
    case 'on schedule':
      return obstacle.nextAt !== null;
    default:
      return false;
  }
}
