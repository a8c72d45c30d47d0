import type { EntityManager } from '@mikro-orm/postgresql';
import { UnknownNameError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { closeEra } from './ledger.ts';
import { parsePlan } from './plan.ts';
import { databaseNow, lockSchedules, readSchedules, SCHEDULE_CHANNEL, type ScheduleSettings } from './stored-schedule.ts';

/**
 * A person's change of a schedule: when it fires, in which time zone, whether at all. In force at once on every daemon,
 * and kept over restarts until the code says something new about the same field. Slots that have come and wait to be caught up
 * stay those of the plan before. No change writes nothing.
 *
 * @param runner the runner's task name
 * @param actor who edits, for the table and the log
 * @returns what is in force now
 * @throws {ConfigError} the pattern or the time zone is wrong; nothing was changed
 * @throws {UnknownNameError} there is no such schedule
 */
export async function editSchedule(em: EntityManager, runner: string, change: Partial<ScheduleSettings>, actor: string): Promise<ScheduleSettings> {
  return em.transactional(async (tx) => {
    const [known] = await lockSchedules(tx, runner);
    if (known === undefined) {
      const names = (await readSchedules(tx)).map((schedule) => schedule.runner);
      throw new UnknownNameError('runner', runner, names, nearest(runner, names));
    }
    const before = known.inForce;
    const wanted = { pattern: change.pattern ?? before.pattern, timeZone: change.timeZone ?? before.timeZone, enabled: change.enabled ?? before.enabled };
    const plan = parsePlan(wanted.pattern, wanted.timeZone);
    wanted.pattern = plan.pattern;
    if (wanted.pattern === before.pattern && wanted.timeZone === before.timeZone && wanted.enabled === before.enabled) return wanted;
    const now = await databaseNow(tx);
    const nextAt = wanted.enabled ? (plan.next(now)?.toISOString() ?? null) : null;
    const { earlier, accountedTo } = closeEra(known, now);
    await tx.execute(EDIT, [
      wanted.pattern, wanted.timeZone, wanted.enabled, nextAt, JSON.stringify(earlier), accountedTo.toISOString(), actor, runner,
    ]);
    await tx.execute(`select pg_notify('${SCHEDULE_CHANNEL}', ?)`, [runner]);
    return wanted;
  });
}

const EDIT = `
update schedule
   set pattern = ?, time_zone = ?, enabled = ?, next_at = ?::timestamptz, earlier = ?::jsonb, accounted_to = ?::timestamptz,
       edited_by = ?, edited_at = clock_timestamp()
 where runner = ?`;
