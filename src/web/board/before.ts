import type { BeforeHook, BeforeHookResult } from '@bull-board/api/typings/app';
import { ConfigError } from '../../errors.ts';
import { parsePlan } from '../../schedule/plan.ts';
import { refusalSentence, type RefusedAct } from './refusal.ts';

const REFUSED: Readonly<Record<string, RefusedAct>> = {
  '/api/queues/:queueName/add': 'add',
  '/api/queues/:queueName/promote': 'promote',
  '/api/queues/:queueName/clean/:queueStatus': 'clean',
  '/api/queues/:queueName/concurrency': 'concurrency',
  '/api/queues/:queueName/empty': 'empty',
  '/api/queues/:queueName/obliterate': 'obliterate',
  '/api/queues/:queueName/job-schedulers/:schedulerId/remove': 'remove schedule',
  '/api/queues/:queueName/job-schedulers/:schedulerId/run': 'run schedule',
  '/api/queues/:queueName/:jobId/clean': 'remove',
  '/api/queues/:queueName/:jobId/promote': 'promote',
  '/api/queues/:queueName/:jobId/update-data': 'edit',
  '/api/queues/:queueName/:jobId/delay': 'edit',
  '/api/queues/:queueName/:jobId/priority': 'edit',
  '/api/queues/:queueName/:jobId/remove-unprocessed-children': 'remove',
};

/** Answers what the board must not handle: acts that the register does not have, and schedules that cannot be read. Both get the reason. */
export const before: BeforeHook = ({ method, route, request }) => {
  if (method === 'get') return undefined;
  const act = REFUSED[route];
  if (act !== undefined) return { allow: false, status: 405, message: refusalSentence(act) };
  return route === '/api/queues/:queueName/job-schedulers/:schedulerId' ? wrongSchedule((request.body ?? {}) as ScheduleEdit) : undefined;
};

interface ScheduleEdit {
  pattern?: string;
  every?: number | string | null;
  tz?: string;
  limit?: unknown;
  endDate?: unknown;
}

function wrongSchedule({ pattern, every, tz, limit, endDate }: ScheduleEdit): BeforeHookResult {
  if (limit != null || endDate != null) return { allow: false, status: 400, message: refusalSentence('limit schedule'), errorKey: 'ERRORS.INVALID_SCHEDULER_SCHEDULE' };
  try {
    parsePlan(pattern?.trim() || `every ${Number(every) / 1000} s`, tz?.trim() || 'UTC');
    return undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { allow: false, status: 400, message: error.message, errorKey: 'ERRORS.INVALID_SCHEDULER_PATTERN' };
  }
}
