import type { EntityManager } from '@mikro-orm/postgresql';
import type { AppJobScheduler } from '@bull-board/api/typings/app';
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
}

/** All schedules, by the runner's name. */
export async function readBoardSchedules(em: EntityManager): Promise<Map<string, BoardSchedule>> {
  const rows = await em.execute<BoardSchedule[]>(`
select s.runner, s.pattern, s.time_zone, s.enabled, s.edited_by, s.edited_at, s.next_at, s.ticks, k.id as last_id, k.started_at as last_started_at
  from schedule s
  left join lateral (select id, started_at from tick where runner = s.runner order by id desc limit 1) k on true`);
  return new Map(rows.map((row) => [row.runner, row]));
}

/**
 * A schedule as the board's page of schedulers shows it.
 *
 * @param ticksAreJobs whether the last tick has a page on the board
 */
export function toScheduler(schedule: BoardSchedule, ticksAreJobs: boolean): Omit<AppJobScheduler, 'queueName'> {
  const { runner, pattern, time_zone, enabled, edited_by, edited_at, next_at, ticks, last_id, last_started_at } = schedule;
  const seconds = /^every ([\d.]+) s$/.exec(pattern)?.[1];
  return {
    id: toBoard(runner),
    name: [enabled ? '' : 'paused', edited_by === null ? '' : `edited by ${edited_by}`].filter(Boolean).join(', ') || 'as in the code',
    ...(seconds === undefined ? { pattern, tz: time_zone } : { every: Number(seconds) * 1000 }),
    ...(enabled && next_at !== null ? { next: new Date(next_at).getTime() } : {}),
    ...(last_started_at === null ? {} : { lastRun: new Date(last_started_at).getTime() }),
    ...(last_id === null || !ticksAreJobs ? {} : { lastRunJobId: last_id }),
    iterationCount: Number(ticks),
    ...(edited_by === null ? {} : { template: { data: { edited_by, edited_at: edited_at === null ? null : new Date(edited_at).toISOString() } } }),
  };
}
