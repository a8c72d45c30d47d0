import type { EntityManager } from '@mikro-orm/postgresql';

/** Told on this channel, the payload being the runner's name, whenever a schedule's row is added, edited, changed or removed. */
export const SCHEDULE_CHANNEL = 'afterglow_schedule';

/** What a person may edit, and the code declares. */
export interface ScheduleSettings {
  /** A cron expression or `every <n> s`. */
  pattern: string;
  timeZone: string;
  enabled: boolean;
}

/** A row of the schedule table. */
export interface StoredSchedule {
  /** The runner's task name. */
  runner: string;
  inForce: ScheduleSettings;
  /** What the code said when a daemon last started. */
  code: ScheduleSettings;
  editedBy: string | null;
  editedAt: Date | null;
  /** The last slot that was fired. */
  slot: Date | null;
  nextAt: Date | null;
}

/**
 * Reads schedules in the order of the runners' names.
 *
 * @param runner one runner's name; all of them where it is left out
 */
export async function readSchedules(em: EntityManager, runner?: string): Promise<StoredSchedule[]> {
  const rows = await em.execute<Row[]>(READ, [runner ?? null]);
  return rows.map(toSchedule);
}

/** Reads one schedule and locks it until the transaction ends. */
export async function lockSchedule(tx: EntityManager, runner: string): Promise<StoredSchedule | undefined> {
  const rows = await tx.execute<Row[]>(`${READ} for update`, [runner]);
  return rows.map(toSchedule)[0];
}

const READ = `
select runner, pattern, time_zone, enabled, code_pattern, code_time_zone, code_enabled, edited_by, edited_at, slot, next_at
  from schedule
 where runner = coalesce(?::text, runner)
 order by runner`;

interface Row {
  runner: string;
  pattern: string;
  time_zone: string;
  enabled: boolean;
  code_pattern: string;
  code_time_zone: string;
  code_enabled: boolean;
  edited_by: string | null;
  edited_at: string | Date | null;
  slot: string | Date | null;
  next_at: string | Date | null;
}

function toSchedule(row: Row): StoredSchedule {
  return {
    runner: row.runner,
    inForce: { pattern: row.pattern, timeZone: row.time_zone, enabled: row.enabled },
    code: { pattern: row.code_pattern, timeZone: row.code_time_zone, enabled: row.code_enabled },
    editedBy: row.edited_by,
    editedAt: toDate(row.edited_at),
    slot: toDate(row.slot),
    nextAt: toDate(row.next_at),
  };
}

const toDate = (value: string | Date | null): Date | null => (value === null ? null : new Date(value));
