import type { EntityManager } from '@mikro-orm/postgresql';
import type { MissedSlots } from '../runner/runner.ts';
import type { Era, Ledger } from './ledger.ts';
import { policyOf } from './missed.ts';

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
export interface StoredSchedule extends Ledger {
  /** The runner's task name. */
  runner: string;
  /** What the code said when a daemon last started. */
  code: ScheduleSettings;
  editedBy: string | null;
  editedAt: Date | null;
  /** The last slot that was fired. */
  slot: Date | null;
  nextAt: Date | null;
  /** What happens to slots that were missed. */
  missedSlots: MissedSlots;
}

/**
 * Reads schedules in the order of the runners' names.
 *
 * @param runner one runner's name; all of them where it is left out
 */
export async function readSchedules(em: EntityManager, runner?: string): Promise<StoredSchedule[]> {
  const rows = await em.execute<ScheduleColumns[]>(READ, [runner ?? null]);
  return rows.map(toSchedule);
}

/** Reads schedules and locks them until the transaction ends. */
export async function lockSchedules(tx: EntityManager, runner?: string): Promise<StoredSchedule[]> {
  const rows = await tx.execute<ScheduleColumns[]>(`${READ} for update`, [runner ?? null]);
  return rows.map(toSchedule);
}

/** The database's clock in whole milliseconds, as slots are compared with it. */
export async function databaseNow(em: EntityManager): Promise<Date> {
  const [row] = await em.execute<{ ms: number }[]>(`select floor(extract(epoch from clock_timestamp()) * 1000)::double precision as ms`);
  return new Date(row!.ms);
}

/** What {@link toSchedule} wants of the table `schedule s`. */
export const SCHEDULE_COLUMNS = `
s.runner, s.pattern, s.time_zone, s.enabled, s.code_pattern, s.code_time_zone, s.code_enabled, s.edited_by, s.edited_at, s.slot, s.next_at,
s.earlier, s.accounted_to, s.missed_slots`;

const READ = `
select ${SCHEDULE_COLUMNS}
  from schedule s
 where s.runner = coalesce(?::text, s.runner)
 order by s.runner`;

/** A row of the table as it comes. */
export interface ScheduleColumns {
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
  earlier: readonly Era[];
  accounted_to: string | Date;
  missed_slots: string;
}

export function toSchedule(row: ScheduleColumns): StoredSchedule {
  return {
    runner: row.runner,
    inForce: { pattern: row.pattern, timeZone: row.time_zone, enabled: row.enabled },
    code: { pattern: row.code_pattern, timeZone: row.code_time_zone, enabled: row.code_enabled },
    editedBy: row.edited_by,
    editedAt: toDate(row.edited_at),
    slot: toDate(row.slot),
    nextAt: toDate(row.next_at),
    earlier: row.earlier,
    accountedTo: new Date(row.accounted_to),
    missedSlots: policyOf(row.missed_slots),
  };
}

const toDate = (value: string | Date | null): Date | null => (value === null ? null : new Date(value));
