import type { Run } from '../../src/db/hot.ts';
import { advance, type Ending } from '../../src/engine/advance.ts';
import { claim, type ClaimedEntry } from '../../src/engine/claim.ts';
import type { EngineTask } from '../../src/engine/engine-options.ts';
import { explain, type Explained } from './explain.ts';
import type { Register } from './register.ts';

const BY = { daemonId: 1, actor: 'bench', leaseSeconds: 30 };

/** Milliseconds of one claim, and how many entries it took. Rolled back: the next one finds the same register. */
export async function claimOnce(register: Register, taskName: string, limit: number): Promise<{ ms: number; entries: number }> {
  return rolledBack(register, async (run) => {
    const task = taskNamed(register, taskName);
    const started = performance.now();
    const claimed = await claim(run, task, BY, limit);
    return { ms: performance.now() - started, entries: claimed.length };
  });
}

/** Milliseconds of one claim with its commit; the entries stay claimed, so the next one takes others. */
export async function claimForGood(register: Register, taskName: string, limit: number): Promise<{ ms: number; entries: number }> {
  const task = taskNamed(register, taskName);
  const started = performance.now();
  const claimed = await claim(register.database.hot.run, task, BY, limit);
  return { ms: performance.now() - started, entries: claimed.length };
}

/** What PostgreSQL says of such a claim. */
export async function explainClaim(register: Register, taskName: string, limit: number): Promise<Explained> {
  return rolledBack(register, (run) => explain(run, (asking) => claim(asking, taskNamed(register, taskName), BY, limit)));
}

/** Milliseconds of one advance of so many entries to `processed`; they are claimed before the clock starts, and all is rolled back. */
export async function advanceOnce(register: Register, taskName: string, entries: number): Promise<{ ms: number; entries: number }> {
  return rolledBack(register, async (run) => {
    const task = taskNamed(register, taskName);
    const claimed = await claim(run, task, BY, entries);
    const endings = claimed.map((entry) => endingOf(entry, register.graph.statusIds.get('processed')!));
    const started = performance.now();
    const held = await advance(run, task.id, BY.actor, endings);
    return { ms: performance.now() - started, entries: held.size };
  });
}

function endingOf({ subjectId, attempt }: ClaimedEntry, statusId: number): Ending {
  return {
    subjectId, attempt, statusId, cause: 'finish', outcome: 'finished', wallSeconds: 0.01, cpuSeconds: 0.01,
    result: undefined, warning: undefined, cost: undefined, error: undefined, log: undefined, dueInSeconds: undefined, setbacks: 0,
  };
}

function taskNamed({ graph }: Register, name: string): EngineTask & { version: number } {
  const task = graph.tasks.find((one) => one.name === name);
  if (task === undefined) throw new TypeError(`The register has no task "${name}".`);
  return { ...task, version: task.runner.version };
}

async function rolledBack<T>({ database }: Register, act: (run: Run) => Promise<T>): Promise<T> {
  const nothing = new Error('rolled back on purpose');
  let value: { of: T } | undefined;
  await database.hot.transaction(async (run) => {
    value = { of: await act(run) };
    throw nothing;
  }).catch((error: unknown) => {
    if (error !== nothing) throw error;
  });
  return value!.of;
}
