import type { EntityManager } from '@mikro-orm/postgresql';

/** A resource that tasks share, as it stands now. */
export interface ResourceReport {
  name: string;
  description: string;
  /** Units in use, and how many there are; null: no limit. */
  used: number;
  concurrency: number | null;
  /** Units begun within the last minute, and how many may; null: no limit. */
  lastMinute: number;
  perMinute: number | null;
  /** `open`: it does not answer, so nobody asks it until {@link openUntil}, and then one at a time. */
  state: 'closed' | 'open';
  /** Failures in a row. */
  failures: number;
  openUntil: Date | null;
  lastError: string | null;
  lastFailedAt: Date | null;
  /** Entries that wait for it. */
  waiting: number;
}

/** Every resource of the fixtures, by name. */
export async function readResources(em: EntityManager): Promise<ResourceReport[]> {
  const rows = await em.execute<Row[]>(RESOURCES);
  const date = (at: string | null) => (at === null ? null : new Date(at));
  return rows.map((row) => ({
    name: row.name, description: row.description, used: row.used, concurrency: row.concurrency, lastMinute: row.last_minute, perMinute: row.per_minute,
    state: row.state, failures: row.failures, openUntil: date(row.open_until), lastError: row.last_error, lastFailedAt: date(row.last_failed_at), waiting: row.waiting,
  }));
}

/** `"tns" does not answer: 503. 12 entries wait for it.` */
export function describeOpen({ name, lastError, waiting }: ResourceReport): string {
  return `"${name}" does not answer${lastError === null ? '' : `: ${lastError}`}. ${waiting} ${waiting === 1 ? 'entry waits' : 'entries wait'} for it.`;
}

interface Row extends Pick<ResourceReport, 'name' | 'description' | 'used' | 'concurrency' | 'state' | 'failures' | 'waiting'> {
  last_minute: number;
  per_minute: number | null;
  open_until: string | null;
  last_error: string | null;
  last_failed_at: string | null;
}

const RESOURCES = `
select e.name, e.description, e.concurrency, e.per_minute, e.state, e.failures, e.open_until, e.last_error, e.last_failed_at,
       (select coalesce(sum(u.units * (select count(*) from task_register r where r.task_id = u.task_id and r.status_id = 2)), 0)::int
          from task_use u where u.resource = e.name) as used,
       (select coalesce(sum(s.units), 0)::int from resource_start s where s.resource = e.name and s.at > clock_timestamp() - interval '1 minute') as last_minute,
       (select count(*)::int from task_register r where r.due_at is not null and r.waits_for = e.name) as waiting
  from resource e
 order by e.name`;
