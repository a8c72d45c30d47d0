import { onTestFinished } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { loadFixtures } from '../../src/db/load-fixtures.ts';
import { syncGraph } from '../../src/db/sync-graph.ts';
import { LocalEngine } from '../../src/engine/engine.ts';
import { readWork } from '../../src/engine/read-work.ts';
import type { TaskFixture } from '../../src/fixtures/fixture.ts';
import { syncRequests } from '../../src/requests/sync-requests.ts';
import { checkGraph } from '../../src/runner/check/check-graph.ts';
import type { RunContext } from '../../src/runner/context.ts';
import type { Outcome } from '../../src/runner/outcome.ts';
import { withOwnStatuses } from '../../src/runner/own-statuses.ts';
import { RequestTaskRunner, waitForOthers, type Batch, type Request } from '../../src/runner/request.ts';
import { createStatusMachine } from '../../src/status/machine.ts';
import { BUILT_IN } from '../../src/status/status.ts';
import { listeningLog } from '../engine/world.ts';

type Deed = (request: Request, context: RunContext) => Promise<string | Outcome> | string | Outcome;

/** What a test says of a task of requests. */
export interface GivenRequestTask {
  types?: readonly string[];
  needs?: readonly string[];
  last?: boolean;
  closes?: boolean;
  batch?: Batch;
  active?: boolean;
  window?: TaskFixture['window'];
  prerequisites?: Record<string, string | readonly string[]>;
  does?: Deed;
}

/** A task of requests that does what a test says. */
class GivenRunner extends RequestTaskRunner {
  readonly taskName: string;
  readonly requestTypes: readonly string[];
  override readonly needsIdentifiers: readonly string[];
  override readonly runsLast: boolean;
  override readonly closes: boolean;
  override readonly batch: Batch | undefined;
  override readonly prerequisites: Record<string, string | readonly string[]>;
  does: Deed;

  constructor(name: string, { types = ['delete'], needs = [], last = false, closes = false, batch, prerequisites = {}, does = () => 'processed' }: GivenRequestTask) {
    super();
    this.taskName = name;
    this.requestTypes = types;
    this.needsIdentifiers = needs;
    this.runsLast = last;
    this.closes = closes;
    this.batch = batch;
    this.prerequisites = prerequisites;
    this.does = does;
  }

  runProcess(request: Request, context: RunContext) {
    return this.does(request, context);
  }
}

/** A clock of which the test says what it shows; spans go by the real one. */
export function clockAt(iso: string): Clock & { set(iso: string): void } {
  let now = new Date(iso);
  return { ...systemClock, now: () => now, set: (later) => void (now = new Date(later)) };
}

/** Tasks of requests in a database, as a start of the daemon leaves them. Starting again with more tasks is a second call. */
export async function givenRequests(database: Database, tasks: Readonly<Record<string, GivenRequestTask>>, clock: Clock = clockAt('2026-11-21T12:00:00Z')) {
  const runners = Object.entries(tasks).map(([name, task]) => new GivenRunner(name, task));
  const statuses = withOwnStatuses([...BUILT_IN.map(({ message, type }) => ({ message, type })), { message: 'processed', type: 'success' }, { message: 'failed', type: 'error' }], runners);
  waitForOthers(runners, statuses);
  const fixtures = Object.entries(tasks).map(([name, { active = true, window }]): TaskFixture => ({
    name, kind: 'request', description: `Does ${name}.`, owner: 'privacy@example.org', timeLimitSeconds: null, active, ...(window !== undefined && { window }),
  }));
  const errors = checkGraph({ statuses, tasks: fixtures, runners }).filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'));
  const machine = createStatusMachine(statuses);
  await loadFixtures(database.em(), { statuses, tasks: fixtures, resources: [], transients: [], entries: [] }, {
    sync: async (em) => {
      await syncGraph(em, machine, runners);
      await syncRequests(em, runners);
    },
  });
  const work = (await readWork(database.em(), runners))!;
  return {
    desk: { database, clock },
    runner: (name: string): GivenRunner => runners.find(({ taskName }) => taskName === name)!,
    runners,
    /** An engine that does what may be done, again and again until nothing is left. */
    async work(): Promise<void> {
      const { log } = listeningLog();
      const engine = new LocalEngine({
        ...work, fork: () => database.em(), hot: database.hot, daemonId: 1, actor: 'daemon 1', concurrency: 4, leaseSeconds: 60,
        folders: { data: '/nowhere', products: '/nowhere/products' }, clock: systemClock, log,
      });
      try {
        let before: number;
        do {
          before = engine.ended;
          await engine.wake();
          while (!engine.quiet) await new Promise<void>((resolve) => engine.onQuiet(resolve));
        } while (engine.ended > before);
      } finally {
        await engine.stop(0);
      }
    },
  };
}

/** Everything of the requests before is gone when the test is over. */
export function forgetAfterwards(database: Database): void {
  onTestFinished(async () => {
    for (const sql of [`delete from subject`, `delete from task_requirement`, `delete from task_register`, `delete from task`, `delete from daemon`]) await database.em().execute(sql);
  });
}

/** A request as it comes in. */
export const anInput = (more: object = {}): object => ({ email: 'ada@example.org', request_type: 'delete', request_date: '2026-11-20', identifiers: { uuid: 'u-1' }, ...more });
