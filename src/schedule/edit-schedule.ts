import type { EntityManager } from '@mikro-orm/postgresql';
import { UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { parsePlan } from './plan.ts';
import { lockSchedule, readSchedules, SCHEDULE_CHANNEL, type ScheduleSettings } from './stored-schedule.ts';

/**
 * A person's change of a schedule: when it fires, in which time zone, whether at all. In force at once on every daemon,
 * and kept over restarts until the code says something new about the same field. No change writes nothing.
 *
 * @param runner the runner's task name
 * @param actor who edits, for the table and the log
 * @returns what is in force now
 * @throws {ConfigError} the pattern or the time zone is wrong; nothing was changed
 * @throws {UnknownNameError} there is no such schedule
 */
export async function editSchedule(em: EntityManager, runner: string, change: Partial<ScheduleSettings>, actor: string): Promise<ScheduleSettings> {
  return em.transactional(async (tx) => {
    const known = await lockSchedule(tx, runner);
    if (known === undefined) {
      const names = (await readSchedules(tx)).map((schedule) => schedule.runner);
      throw new UnknownNameError('runner', runner, names, nearest(runner, names));
    }
    const before = known.inForce;
    const wanted = { pattern: change.pattern ?? before.pattern, timeZone: change.timeZone ?? before.timeZone, enabled: change.enabled ?? before.enabled };
    const plan = parsePlan(wanted.pattern, wanted.timeZone);
    wanted.pattern = plan.pattern;
    if (wanted.pattern === before.pattern && wanted.timeZone === before.timeZone && wanted.enabled === before.enabled) return wanted;
    const [{ now } = { now: new Date() }] = await tx.execute<{ now: string | Date }[]>(`select clock_timestamp() as now`);
    const nextAt = wanted.enabled ? (plan.next(new Date(now))?.toISOString() ?? null) : null;
    await tx.execute(EDIT, [wanted.pattern, wanted.timeZone, wanted.enabled, nextAt, actor, runner]);
    await tx.execute(`select pg_notify('${SCHEDULE_CHANNEL}', ?)`, [runner]);
    return wanted;
  });
}

const EDIT = `
update schedule
   set pattern = ?, time_zone = ?, enabled = ?, next_at = ?::timestamptz, edited_by = ?, edited_at = clock_timestamp()
 where runner = ?`;
