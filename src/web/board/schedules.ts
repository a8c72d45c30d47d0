import type { EntityManager } from '@mikro-orm/postgresql';
import type { AppJobScheduler } from '@bull-board/api/typings/app';
import { MISSED_REASONS } from '../../schedule/missed.ts';
import { toBoard } from '../links.ts';

/** A row of the schedule table, with its last tick. */
export interface BoardSchedule {
  runner: string;
  pattern: string;
  time_zone: string;
  enabled: boolean;
  edited_by: string | null;
  edited_at: string | Date | null;
  next_at: string | Date | null;
  ticks: string;
  last_id: string | null;
  last_started_at: string | Date | null;
  /** What happens to slots that are missed: `skip`, `once`, `all 5`. */
  missed_slots: string;
  /** Of the last day, by reason. */
  missed: Record<string, number> | null;
  /** Of the last day. */
  caught_up: number;
}

/** All schedules, by the runner's name. */
export async function readBoardSchedules(em: EntityManager): Promise<Map<string, BoardSchedule>> {
  const rows = await em.execute<BoardSchedule[]>(`
select s.runner, s.pattern, s.time_zone, s.enabled, s.edited_by, s.edited_at, s.next_at, s.ticks, s.missed_slots,
       k.id as last_id, k.started_at as last_started_at, l.missed, coalesce(l.caught_up, 0) as caught_up
  from schedule s
  left join lateral (select id, started_at from tick where runner = s.runner and outcome <> 'missed' order by id desc limit 1) k on true
  left join lateral (
    select jsonb_object_agg(e.reason, e.missed) filter (where e.missed > 0) as missed, sum(e.caught_up)::integer as caught_up
      from (select t.reason, coalesce(sum(t.slots) filter (where t.outcome = 'missed'), 0) as missed, count(*) filter (where t.cause = 'catch-up') as caught_up
              from tick t
             where t.runner = s.runner and t.started_at > now() - interval '1 day' and (t.outcome = 'missed' or t.cause = 'catch-up')
             group by t.reason) e) l on true`);
  return new Map(rows.map((row) => [row.runner, row]));
}

/**
 * A schedule as the board's page of schedulers shows it.
 *
 * @param ticksAreJobs whether the last tick has a page on the board
 */
export function toScheduler(schedule: BoardSchedule, ticksAreJobs: boolean): Omit<AppJobScheduler, 'queueName'> {
  const { runner, pattern, time_zone, enabled, edited_by, edited_at, next_at, ticks, last_id, last_started_at } = schedule;
  const told = { ...(edited_by === null ? {} : { edited_by, edited_at: edited_at === null ? null : new Date(edited_at).toISOString() }), ...lateness(schedule) };
  const seconds = /^every ([\d.]+) s$/.exec(pattern)?.[1];
  return {
    id: toBoard(runner),
    name: [enabled ? '' : 'paused', edited_by === null ? '' : `edited by ${edited_by}`, missedToday(schedule)].filter(Boolean).join(', ') || 'as in the code',
    ...(seconds === undefined ? { pattern, tz: time_zone } : { every: Number(seconds) * 1000 }),
    ...(enabled && next_at !== null ? { next: new Date(next_at).getTime() } : {}),
    ...(last_started_at === null ? {} : { lastRun: new Date(last_started_at).getTime() }),
    ...(last_id === null || !ticksAreJobs ? {} : { lastRunJobId: last_id }),
    iterationCount: Number(ticks),
    ...(Object.keys(told).length === 0 ? {} : { template: { data: told } }),
  };
}

/** Why a slot was missed, in words. */
export function missedReason(reason: string): string {
  return (MISSED_REASONS as Record<string, string>)[reason] ?? reason;
}

function missedToday({ missed }: BoardSchedule): string {
  const slots = Object.values(missed ?? {}).reduce((sum, count) => sum + count, 0);
  return slots === 0 ? '' : `${slots} ${slots === 1 ? 'slot' : 'slots'} missed in the last day`;
}

function lateness({ missed_slots, missed, caught_up }: BoardSchedule): Record<string, unknown> {
  if (missed === null && caught_up === 0) return {};
  return {
    missed_in_the_last_day: Object.fromEntries(Object.entries(missed ?? {}).map(([reason, slots]) => [missedReason(reason), slots])),
    caught_up_in_the_last_day: caught_up,
    missed_slots,
  };
}
