import { setTimeout as delay } from 'node:timers/promises';
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
/** Longer than a pool keeps a connection that nobody uses. */
const SILENCE_MS = 12_000;

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
export async function handOnSection({ server, quick, signal, progress }: Bench): Promise<Section> {
  const samples = quick ? 20 : 300;
  const warmUps = 10;
  const silences = quick ? 0 : 8;
  progress(`handon: ${samples} objects, one after the other`);
  const database = await openDatabase(await server.create());
  // The worker that ends the first task shares nothing with the daemon.
  const other = await openDatabase(database.address);
  try {
    const runner = new SecondRunner();
    const tasks = [FIRST, SECOND].map((name) => ({ name, kind: 'transient', description: '', owner: '', timeLimitSeconds: null, active: true }));
    const graph = await storeGraph(database.em(), { statuses, tasks, runners: [runner] });
    await addTransients(database.em(), warmUps + samples + silences);
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
      const handOn = async (id: string): Promise<HandOn> => {
        const entry = await claimOne(other.hot.run, first, { daemonId: 0, actor: 'bench', leaseSeconds: 30 }, id);
        const started = nextStart(runner);
        const sent = performance.now();
        await advance(other.hot.run, first.id, 'bench', [{
          subjectId: id, attempt: entry!.attempt, statusId: processed, cause: 'finish', outcome: 'finished', wallSeconds: 0, cpuSeconds: 0,
          result: undefined, warning: undefined, cost: undefined, error: undefined, log: undefined, dueInSeconds: undefined, setbacks: 0,
        }]);
        const committed = performance.now();
        const startedAt = await started;
        return { fromCommit: startedAt - committed, fromSending: startedAt - sent };
      };
      const measured: HandOn[] = [];
      const afterSilence: HandOn[] = [];
      for (const [at, { id }] of subjects.entries()) {
        if (at < warmUps + samples) {
          const one = await handOn(id);
          if (at >= warmUps) measured.push(one);
          await daemon.untilIdle();
        } else {
          await delay(SILENCE_MS, undefined, { signal });
          afterSilence.push(await handOn(id));
        }
      }
      return describe(measured, afterSilence);
    } finally {
      await daemon.stop();
    }
  } finally {
    await other.close();
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

/** Milliseconds until the dependent's runner is called. */
interface HandOn {
  fromCommit: number;
  fromSending: number;
}

function describe(measured: readonly HandOn[], afterSilence: readonly HandOn[]): Section {
  const row = (name: string, values: readonly number[]) => [name, ...[0.5, 0.95, 0.99].map((share) => quantile(values, share)), Math.max(...values)];
  const p99 = quantile(measured.map(({ fromCommit }) => fromCommit), 0.99);
  const silent = afterSilence.map(({ fromCommit }) => fromCommit);
  return {
    title: 'From one task to the next',
    method: [
      `A daemon with nothing to do; one object at a time, another worker ends the first of its two tasks; ${measured.length} objects. The clock runs until the second task’s runner is called, ` +
        'from the moment when the other worker knows that its end is committed, and from the moment when it sent it. Between them lie the trigger, the notification, the wake, the claim.',
      ...(silent.length === 0 ? [] : [`For the last row nothing happens for ${SILENCE_MS / 1000} s before each of ${silent.length} objects.`]),
    ],
    tables: [
      {
        title: 'Milliseconds until the dependent runs',
        head: ['counted from', 'p50', 'p95', 'p99', 'longest'],
        rows: [
          row('the commit of the prerequisite’s end', measured.map(({ fromCommit }) => fromCommit)),
          row('its sending', measured.map(({ fromSending }) => fromSending)),
          ...(silent.length === 0 ? [] : [row('the commit, after a long silence', silent)]),
        ],
      },
    ],
    ratios: [],
    figures: [{ what: 'hand-on from the commit of the prerequisite’s end, p99, ms', figure: p99, goal: { atMost: GOAL_MS } }],
    limits: [
      ...(p99 > GOAL_MS ? [`**We miss the goal** of ${GOAL_MS} ms at p99: it is ${p99.toFixed(1)} ms.`] : []),
      ...(silent.length > 0 && Math.max(...silent) > GOAL_MS ? [`After ${SILENCE_MS / 1000} s of silence it takes up to ${Math.max(...silent).toFixed(0)} ms.`] : []),
      'On a busy system a task waits for its turn as well; the schedule’s tick, at most a minute later by default, matters only where a notification was lost.',
    ],
  };
}
