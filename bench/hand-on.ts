import { systemClock } from '../src/clock.ts';
import { Daemon } from '../src/daemon/daemon.ts';
import { openDatabase } from '../src/db/database.ts';
import { advance } from '../src/engine/advance.ts';
import { claimOne } from '../src/engine/claim.ts';
import { createLog } from '../src/log.ts';
import { TransientTaskRunner } from '../src/runner/runner.ts';
import { syncSchedules } from '../src/schedule/sync-schedules.ts';
import { VERSION } from '../src/version.ts';
import { statuses } from './blast17.ts';
import { addTransients, storeGraph } from './graph.ts';
import { DeliveryError } from './pipeline/delivery-error.ts';
import type { Bench, Section } from './section.ts';
import { quantile } from './statistics.ts';

const FIRST = 'first';
const SECOND = 'second';
const WAIT_MS = 60_000;
const GOAL_MS = 15;

/** Tells when it is called. */
class SecondRunner extends TransientTaskRunner {
  readonly taskName = SECOND;
  readonly schedule = '0 0 1 1 *';
  readonly prerequisites = { [FIRST]: 'processed' };
  readonly failedStatusMessage = 'failed';
  onStart: (startedMs: number) => void = () => {};

  override runProcess(): string {
    this.onStart(performance.now());
    return 'processed';
  }
}

/** How long a task waits after its prerequisite is done, on an idle system. */
export async function handOnSection({ server, quick, progress }: Bench): Promise<Section> {
  const samples = quick ? 20 : 300;
  const warmUps = 10;
  progress(`handon: ${samples} objects, one after the other`);
  const database = await openDatabase(await server.create());
  try {
    const runner = new SecondRunner();
    const tasks = [FIRST, SECOND].map((name) => ({ name, kind: 'transient', description: '', owner: '', timeLimitSeconds: null, active: true }));
    const graph = await storeGraph(database.em(), { statuses, tasks, runners: [runner] });
    await addTransients(database.em(), samples + warmUps);
    await syncSchedules(database.em(), [runner], systemClock);
    const daemon = await Daemon.create({
      database, machine: graph.machine, statusIds: graph.statusIds, runners: [runner], timeLimits: new Map(), clock: systemClock, log: createLog('silent'), version: VERSION,
      tasks: graph.tasks.filter(({ name }) => name === SECOND),
      config: { concurrency: 16, leaseSeconds: 20, graceSeconds: 1, log: 'silent' },
      folders: { data: server.folder, products: server.folder },
    });
    await daemon.begin();
    try {
      const first = { ...graph.tasks.find(({ name }) => name === FIRST)!, version: 1 };
      const processed = graph.statusIds.get('processed')!;
      const subjects = await database.em().execute<{ id: string }[]>(`select id from subject order by id`);
      const fromCommit: number[] = [];
      const fromSending: number[] = [];
      for (const [at, { id }] of subjects.entries()) {
        const entry = await claimOne(database.hot.run, first, { daemonId: 0, actor: 'bench', leaseSeconds: 30 }, id);
        const started = nextStart(runner);
        const sent = performance.now();
        await advance(database.hot.run, first.id, 'bench', [{
          subjectId: id, attempt: entry!.attempt, statusId: processed, cause: 'finish', outcome: 'finished', wallSeconds: 0, cpuSeconds: 0,
          result: undefined, warning: undefined, cost: undefined, error: undefined, log: undefined, dueInSeconds: undefined, setbacks: 0,
        }]);
        const committed = performance.now();
        const startedAt = await started;
        if (at < warmUps) continue;
        fromCommit.push(startedAt - committed);
        fromSending.push(startedAt - sent);
        await daemon.untilIdle();
      }
      return describe(fromCommit, fromSending);
    } finally {
      await daemon.stop();
    }
  } finally {
    await database.close();
    await server.drop(database.address);
  }
}

function nextStart(runner: SecondRunner): Promise<number> {
  return new Promise((resolve, reject) => {
    const impatience = setTimeout(() => reject(new DeliveryError([`the dependent did not start within ${WAIT_MS / 1000} s`])), WAIT_MS);
    runner.onStart = (startedMs) => {
      clearTimeout(impatience);
      resolve(startedMs);
    };
  });
}

function describe(fromCommit: readonly number[], fromSending: readonly number[]): Section {
  const row = (name: string, values: readonly number[]) => [name, ...[0.5, 0.95, 0.99].map((share) => quantile(values, share)), Math.max(...values)];
  return {
    title: 'From one task to the next',
    method: [
      `A daemon with nothing to do; one object at a time, another worker ends the first of its two tasks; ${fromCommit.length} objects. The clock runs until the second task’s runner is called, ` +
        'from the moment when the other worker knows that its end is committed, and from the moment when it sent it. Between them lie the trigger, the notification, the wake, the claim.',
    ],
    tables: [
      {
        title: 'Milliseconds until the dependent runs',
        head: ['counted from', 'p50', 'p95', 'p99', 'longest'],
        rows: [row('the commit of the prerequisite’s end', fromCommit), row('its sending', fromSending)],
      },
    ],
    ratios: [],
    figures: [{ what: 'hand-on from the commit of the prerequisite’s end, p99, ms', figure: quantile(fromCommit, 0.99), goal: { atMost: GOAL_MS } }],
    limits: [
      ...(quantile(fromCommit, 0.99) > GOAL_MS ? [`**We miss the goal** of ${GOAL_MS} ms at p99: it is ${quantile(fromCommit, 0.99).toFixed(1)} ms.`] : []),
      'On a busy system a task waits for its turn as well; the schedule’s tick, at most a minute later by default, matters only where a notification was lost.',
    ],
  };
}
