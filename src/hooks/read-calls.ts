import { statement, type Run } from '../db/hot.ts';
import type { Json } from '../runner/outcome.ts';

/** One call of a hook, as it is kept. */
export interface HookCall {
  hook: string;
  event: 'before' | 'after';
  attempt: number;
  at: string;
  wallSeconds: number;
  /** What it gave back; null where that was nothing. */
  result: Json | null;
  /** The message of what it threw; null where it did not. */
  error: string | null;
}

/** What hooks did around the attempts of an object or a job, in their order. */
export async function readHookCalls(run: Run, subjectId: string): Promise<HookCall[]> {
  return run<HookCall>(CALLS, [subjectId]);
}

const CALLS = statement(`
select hook, event, attempt, at::text as at, wall_seconds as "wallSeconds", result, error ->> 'message' as error
  from hook_call where subject_id = $1::bigint order by id`);
