import { AsyncLocalStorage } from 'node:async_hooks';

/** Whose code runs: an attempt, or a run of a system runner, which has no subject. */
export interface Running {
  task: string;
  subject?: string;
  attempt?: number;
}

/** The expression that gives, as JSON, whose code runs where it is evaluated. For a debugger, which reaches globals only. */
export const WHO_RUNS = `globalThis[Symbol.for('afterglow.running')]?.()`;

const store = new AsyncLocalStorage<Running>();
Object.assign(globalThis, { [Symbol.for('afterglow.running')]: () => JSON.stringify(store.getStore()) });

/** Whose code this is called from; undefined where it is no runner's. */
export const runningNow = (): Running | undefined => store.getStore();

/** Calls a runner so that whatever comes of the call, timers and promises too, is known to be its doing. */
export function asRunning<T>(who: Running, act: () => T): T {
  return store.run(who, act);
}
