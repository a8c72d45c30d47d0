import { setTimeout as delay } from 'node:timers/promises';
import { statement, type Hot } from '../db/hot.ts';
import { describeError, storable } from '../db/storable.ts';
import type { HookedAttempt, Hooks } from '../engine/hooks.ts';
import type { RunEnd } from '../engine/run.ts';
import { AfterglowError, ConfigError, HookError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Hook, HookEnd, HookRun } from '../runner/hook.ts';
import type { Json } from '../runner/outcome.ts';
import { matches } from '../runner/matches.ts';

/** How long a hook may take that does not say, seconds. */
const TIME_LIMIT_SECONDS = 30;

/**
 * Calls hooks in their order, one after the other, and keeps what they gave or threw in the table `hook_call`.
 *
 * @throws {ConfigError} two hooks have one name, or a hook does nothing
 */
export function callHooks(hooks: readonly Hook[], { hot, log }: { hot: Hot; log: Logger }): Hooks {
  for (const [place, { name, before, after }] of hooks.entries()) {
    if (hooks.findIndex((other) => other.name === name) < place) throw new ConfigError(`Two hooks are called "${name}".`);
    if (before === undefined && after === undefined) throw new ConfigError(`The hook "${name}" has neither "before" nor "after".`);
  }
  const byTask = new Map<string, readonly Hook[]>();
  const hooksOf = (task: string): readonly Hook[] => {
    const found = byTask.get(task) ?? hooks.filter(({ tasks }) => matches(tasks, task));
    byTask.set(task, found);
    return found;
  };
  const call = async (attempt: HookedAttempt, event: 'before' | 'after', end?: RunEnd): Promise<Error | undefined> => {
    for (const hook of hooksOf(attempt.task)) {
      if (hook[event] === undefined) continue;
      const failure = await callOne(hook, attempt, event, end);
      if (failure !== undefined) return failure;
    }
    return undefined;
  };

  /** @returns what the attempt fails of */
  const callOne = async (hook: Hook, attempt: HookedAttempt, event: 'before' | 'after', end: RunEnd | undefined): Promise<Error | undefined> => {
    const started = performance.now();
    const wallSeconds = () => (performance.now() - started) / 1000;
    try {
      const called = await within(hook, attempt, async (run) => {
        if ((await hook.when?.(run)) === false) return undefined;
        const given = event === 'before' ? await hook.before!(run) : await hook.after!(run, toEnd(end!));
        return { result: storable(given, `result of the hook "${hook.name}"`) };
      });
      if (called !== undefined) await keep(hook, attempt, event, { wallSeconds: wallSeconds(), result: called.result });
      return undefined;
    } catch (error) {
      const failed = new HookError({ hook: hook.name, event, task: attempt.task, subject: attempt.subject.name }, error);
      log.warn({ task: attempt.task, subject: attempt.subject.name, attempt: attempt.attempt }, failed.message);
      attempt.log.warn(failed.message);
      await keep(hook, attempt, event, { wallSeconds: wallSeconds(), error: describeError(error) });
      if (hook.whenThrown !== 'fail') return undefined;
      // What says of itself whether it is worth another attempt is believed.
      return error instanceof AfterglowError ? error : failed;
    }
  };

  // What cannot be kept is no reason for an attempt to fail.
  const keep = async ({ name }: Hook, { subject, taskId, attempt }: HookedAttempt, event: string, { wallSeconds, result, error }: { wallSeconds: number; result?: Json | undefined; error?: Json }) => {
    const json = (value: Json | undefined) => (value === undefined ? null : JSON.stringify(value));
    try {
      await hot.run(KEEP, [subject.id, taskId, attempt, name, event, wallSeconds, json(result), json(error)]);
    } catch (failure) {
      log.warn({ err: failure, hook: name }, 'what a hook gave could not be kept');
    }
  };

  return {
    has: (task) => hooksOf(task).length > 0,
    before: (attempt) => call(attempt, 'before'),
    after: (attempt, end) => call(attempt, 'after', end),
  };
}

/** A hook that does not come back must not keep the attempt. */
async function within<T>({ timeLimitSeconds = TIME_LIMIT_SECONDS }: Hook, attempt: HookedAttempt, act: (run: HookRun) => Promise<T>): Promise<T> {
  const { task, kind, subject, attempt: number, log, signal } = attempt;
  const tooLong = new AbortController();
  const over = new AbortController();
  const run: HookRun = { task, kind, subject: { id: subject.id, name: subject.name }, args: structuredClone(subject.data), attempt: number, log, signal: AbortSignal.any([signal, tooLong.signal]) };
  const limit = delay(timeLimitSeconds * 1000, undefined, { signal: over.signal }).then(() => {
    const error = new Error(`It was not done within ${timeLimitSeconds} s.`);
    tooLong.abort(error);
    throw error;
  });
  limit.catch(() => {});
  const acting = act(run);
  acting.catch(() => {});
  try {
    return await Promise.race([acting, limit]);
  } finally {
    over.abort();
  }
}

const OUTCOMES: Partial<Record<RunEnd['cause'], HookEnd['outcome']>> = { finish: 'finished', fail: 'failed', 'time out': 'timed out', cancel: 'cancelled' };

const toEnd = ({ cause, status, result, error }: RunEnd): HookEnd => ({ outcome: OUTCOMES[cause] ?? 'failed', status, result: structuredClone(result), error });

const KEEP = statement(`
insert into hook_call (subject_id, task_id, attempt, hook, event, wall_seconds, result, error)
values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb)`);
