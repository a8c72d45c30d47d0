import type { EntityManager } from '@mikro-orm/postgresql';
import type { Json } from '../../runner/outcome.ts';
import type { KeptError } from './entry.ts';
import { noCounts, type StateCounts } from './entry-counts.ts';
import type { JobStateName } from './job-state.ts';

/** A firing of a system runner. Slots that were missed are shown with the schedules. */
export interface BoardTick {
  id: string;
  runner: string;
  slot: string | Date;
  cause: string;
  started_at: string | Date;
  ended_at: string | Date | null;
  outcome: string;
  /** Of a tick that catches up: why its slot was missed. */
  reason: string | null;
  wall_seconds: number | null;
  cpu_seconds: number | null;
  result: Json;
  error: KeptError | null;
  log: { at: string; level: string; message: string; fields?: unknown }[] | null;
  host: string | null;
  pid: number | null;
}

/** The state that the board shows a tick in. A tick that was handed back or taken from a dead daemon did not do its work. */
export function tickState(outcome: string): JobStateName {
  if (outcome === 'running') return 'active';
  return outcome === 'finished' ? 'completed' : 'failed';
}

/** Ticks of the system runners by their state, key: the runner's name. */
export async function countTicks(em: EntityManager): Promise<Map<string, StateCounts>> {
  const rows = await em.execute<{ runner: string; outcome: string; n: string }[]>(`
select k.runner, k.outcome, count(*) as n
  from tick k
  join task t on t.name = k.runner and t.kind = 'system'
 where k.outcome <> 'missed'
 group by 1, 2`);
  const counts = new Map<string, StateCounts>();
  for (const { runner, outcome, n } of rows) {
    const own = counts.get(runner) ?? noCounts();
    counts.set(runner, own);
    own[tickState(outcome)] += Number(n);
  }
  return counts;
}

/** A page of one runner's ticks, newest first. */
export async function tickPage(em: EntityManager, runner: string, states: readonly JobStateName[], start: number, count: number): Promise<BoardTick[]> {
  const outcomes = ['running', 'finished', 'failed', 'timed out', 'released', 'rescued'].filter((outcome) => states.includes(tickState(outcome)));
  return em.execute<BoardTick[]>(`${READ} where k.runner = ? and k.outcome = any (?::text[]) order by k.id desc limit ? offset ?`, [
    runner, `{${outcomes.map((outcome) => `"${outcome}"`).join()}}`, count, start,
  ]);
}

/** One tick, or undefined where the id is none of this runner's. */
export async function readTick(em: EntityManager, runner: string, id: string): Promise<BoardTick | undefined> {
  if (!/^\d{1,18}$/.test(id)) return undefined;
  const rows = await em.execute<BoardTick[]>(`${READ} where k.runner = ? and k.id = ?::bigint and k.outcome <> 'missed'`, [runner, id]);
  return rows[0];
}

const READ = `
select k.id, k.runner, k.slot, k.cause, k.started_at, k.ended_at, k.outcome, k.reason, k.wall_seconds, k.cpu_seconds, k.result, k.error, k.log, d.host, d.pid
  from tick k
  left join daemon d on d.id = k.daemon_id`;
