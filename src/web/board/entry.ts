import type { EntityManager } from '@mikro-orm/postgresql';
import { textArray } from '../../engine/known-names.ts';
import type { Json } from '../../runner/outcome.ts';

/** An error as attempts and ticks keep it. */
export interface KeptError {
  name?: string;
  message?: string;
  stack?: string;
  cause?: KeptError;
}

/** An entry with its subject and its last attempt, as the board shows it. */
export interface BoardEntry {
  task_id: number;
  subject_id: string;
  name: string;
  kind: string;
  created_at: string | Date;
  /** The subject's columns and data, without those that have no value. */
  subject: Record<string, Json>;
  status_id: number;
  unmet: number;
  held: boolean;
  /** Who holds it, or its object, and why. */
  holds: { on: 'object' | 'task'; by: string; reason: string; since: string; until?: string }[] | null;
  ready: boolean;
  failure: 'machinery' | 'science' | null;
  /** Why it stands where it stands, e.g. what it waits for. */
  reason: string | null;
  attempt: number;
  setbacks: number;
  lease_until: string | Date | null;
  due_at: string | Date | null;
  warning: string | null;
  cause: string;
  actor: string;
  last_modified: string | Date;
  wall_seconds: number | null;
  priority: number;
  started_at: string | Date | null;
  ended_at: string | Date | null;
  outcome: string | null;
  /** 0…1. */
  progress: number | null;
  error: KeptError | null;
  cpu_seconds: number | null;
  runner_version: number | null;
  host: string | null;
  pid: number | null;
  /** Of the last attempt that finished. */
  result: Json;
}

/** Entries of one task, in the order of the subjects given. */
export async function readEntries(em: EntityManager, taskId: number, subjectIds: readonly string[]): Promise<BoardEntry[]> {
  if (subjectIds.length === 0) return [];
  const rows = await em.execute<BoardEntry[]>(`${READ} where r.task_id = ? and r.subject_id = any (?::bigint[])`, [taskId, `{${subjectIds.join()}}`]);
  const bySubject = new Map(rows.map((row) => [row.subject_id, row]));
  return subjectIds.flatMap((id) => bySubject.get(id) ?? []);
}

/**
 * All entries of one subject.
 *
 * @param names what it may be called, the likelier first
 */
export async function readSubject(em: EntityManager, kind: string, names: readonly string[]): Promise<BoardEntry[]> {
  const rows = await em.execute<BoardEntry[]>(`${READ} where s.kind = ? and s.name = any (?::text[])`, [kind, textArray(names)]);
  const name = names.find((one) => rows.some((row) => row.name === one));
  return rows.filter((row) => row.name === name);
}

/**
 * The entry of one subject and task.
 *
 * @param names what the subject may be called, the likelier first
 */
export async function readEntry(em: EntityManager, taskId: number, kind: string, names: readonly string[]): Promise<BoardEntry | undefined> {
  const rows = await em.execute<BoardEntry[]>(`${READ} where r.task_id = ? and s.kind = ? and s.name = any (?::text[])`, [taskId, kind, textArray(names)]);
  return names.flatMap((name) => rows.find((row) => row.name === name) ?? [])[0];
}

const READ = `
select r.task_id, r.subject_id, s.name, s.kind, s.created_at,
       jsonb_strip_nulls(to_jsonb(s) - '{id,kind,data,created_at}'::text[] - case when s.edited = '{}' then 'edited' else '' end || coalesce(to_jsonb(t) - 'subject_id', '{}')) || jsonb_build_object('data', s.data) as subject,
       r.status_id, r.unmet, r.held, r.ready, r.failure, r.reason, r.attempt, r.setbacks, r.lease_until, r.due_at, r.warning, r.cause, r.actor, r.last_modified, r.wall_seconds, r.priority,
       a.started_at, a.ended_at, a.outcome, a.progress, a.error, a.cpu_seconds, a.runner_version, d.host, d.pid,
       (select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                 'on', case when h.task_id is null then 'object' else 'task' end, 'by', h.placed_by, 'reason', h.reason, 'since', h.placed_at, 'until', h.until)) order by h.id)
          from hold h
         where r.held and h.subject_id = r.subject_id and (h.task_id is null or h.task_id = r.task_id)) as holds,
       (select f.result
          from attempt f
         where f.subject_id = r.subject_id and f.task_id = r.task_id and f.outcome = 'finished'
         order by f.attempt desc
         limit 1) as result
  from task_register r
  join subject s on s.id = r.subject_id
  left join transient t on t.subject_id = s.id
  left join attempt a on a.subject_id = r.subject_id and a.task_id = r.task_id and a.attempt = r.attempt
  left join daemon d on d.id = a.daemon_id`;
