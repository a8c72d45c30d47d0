import type { EntityManager } from '@mikro-orm/postgresql';
import { textArray } from '../../engine/known-names.ts';
import type { KeptError } from './entry.ts';

/** Attempts whose logs are shown: the last ones. */
const MOST_ATTEMPTS = 50;

interface KeptLine {
  at: string;
  level: string;
  message: string;
  fields?: unknown;
}

interface AttemptRow {
  attempt: number;
  started_at: string | Date;
  ended_at: string | Date | null;
  outcome: string;
  status: string | null;
  wall_seconds: number | null;
  warning: string | null;
  error: KeptError | null;
  log: KeptLine[] | null;
  host: string | null;
  pid: number | null;
}

/**
 * What an entry's attempts said, oldest first: a headline for each attempt, then its lines.
 *
 * @param names what the subject may be called
 */
export async function attemptLog(em: EntityManager, taskId: number, kind: string, names: readonly string[]): Promise<string[]> {
  const rows = await em.execute<AttemptRow[]>(ATTEMPTS, [kind, textArray(names), taskId, MOST_ATTEMPTS]);
  return rows.toReversed().flatMap((row) => [headline(row), ...lines(row.log), ...ending(row)]);
}

const ATTEMPTS = `
select a.attempt, a.started_at, a.ended_at, a.outcome, st.message as status, a.wall_seconds, a.warning, a.error, a.log, d.host, d.pid
  from subject s
  join attempt a on a.subject_id = s.id
  left join status st on st.id = a.status_id
  left join daemon d on d.id = a.daemon_id
 where s.kind = ? and s.name = any (?::text[]) and a.task_id = ?
 order by a.attempt desc
 limit ?`;

function headline({ attempt, started_at, host, pid }: AttemptRow): string {
  return `${stamp(started_at)} ── attempt ${attempt}${host === null ? '' : ` on ${host}:${pid}`}`;
}

/** The kept lines of an attempt or a tick, each with its time. */
export function lines(log: readonly KeptLine[] | null): string[] {
  return (log ?? []).map(({ at, level, message, fields }) =>
    [stamp(at), level, message, fields === undefined || fields === null ? '' : JSON.stringify(fields)].filter((part) => part !== '').join(' '));
}

function ending({ ended_at, outcome, status, wall_seconds, warning, error }: AttemptRow): string[] {
  if (ended_at === null) return [];
  const took = wall_seconds === null ? '' : ` after ${wall_seconds.toFixed(wall_seconds < 10 ? 3 : 0)} s`;
  const left = status === null ? '' : `, leaving "${status}"`;
  const why = error?.message === undefined ? '' : `: ${error.name ?? 'Error'}: ${error.message}`;
  return [...(warning === null ? [] : [`${stamp(ended_at)} warn ${warning}`]), `${stamp(ended_at)} ${outcome}${took}${left}${why}`];
}

/** An instant as people and sorting like it, UTC. */
export function stamp(at: string | Date): string {
  return new Date(at).toISOString().replace('T', ' ').replace('Z', '');
}
