/** A module of runners for processes: one task, whose runner does what the object's data says. */
import { spawn, spawnSync } from 'node:child_process';
import { PermanentError, ServiceError } from '../../src/errors.ts';
import type { RunContext } from '../../src/runner/context.ts';
import type { Outcome } from '../../src/runner/outcome.ts';
import { TransientTaskRunner } from '../../src/runner/runner.ts';
import type { Transient } from '../../src/runner/transient.ts';

type Deed = (subject: Transient, context: RunContext) => Promise<string | Outcome> | string | Outcome;

export type DeedName =
  | 'nothing' | 'tells' | 'reports' | 'returnsNonsense' | 'throws' | 'throwsNothing' | 'serviceAway' | 'forGood'
  | 'obeys' | 'ignores' | 'ignoresSigterm' | 'spins' | 'comesBackLate' | 'exits' | 'crashes' | 'isKilled'
  | 'eats' | 'hasOthersEat' | 'eatsHeap' | 'keepsMuch' | 'startsOthers' | 'writes' | 'asksForAResult' | 'losesItsConnection' | 'writesUnderALock';

const MiB = 2 ** 20;
const forEver = () => new Promise<never>(() => setInterval(() => {}, 1000));
const kept: unknown[] = [];
let runs = 0;

const deeds: Record<DeedName, Deed> = {
  nothing: () => 'processed',
  /** What a runner can learn of itself. */
  tells: ({ publicTimestamp }, { attempt, idempotencyKey, productsFolder }) => {
    runs += 1;
    return { status: 'processed', result: { pid: process.pid, runs, at: publicTimestamp?.getTime() ?? null, attempt, idempotencyKey, productsFolder } };
  },
  reports: async (_subject, { log, progress }) => {
    log.info('half of it', { figure: 0.5 });
    log.warn('not so good');
    progress(0.5);
    process.stdout.write('on standard output\n');
    process.stderr.write('on standard error\n');
    return 'processed';
  },
  returnsNonsense: () => 'no such status',
  throws: () => {
    throw Object.assign(new TypeError('of its own', { cause: new Error('the cause') }), { figure: 3, hidden: () => {} });
  },
  throwsNothing: () => {
    throw undefined as unknown as Error;
  },
  serviceAway: () => {
    throw new ServiceError('tns', 'TNS is away', { retryAt: new Date('2030-01-01T00:00:00Z') });
  },
  forGood: () => {
    throw new PermanentError('never');
  },
  obeys: (_subject, { signal, log }) =>
    new Promise((_resolve, reject) => {
      log.info('begun');
      const timer = setInterval(() => {}, 1000);
      signal.addEventListener('abort', () => {
        clearInterval(timer);
        log.info('told to stop', { ...(signal.reason as object), class: (signal.reason as Error).constructor.name, message: (signal.reason as Error).message });
        reject(signal.reason as Error);
      });
    }),
  ignores: (_subject, { log }) => {
    log.info('begun');
    return forEver();
  },
  /** Obeys SIGTERM in its own way, and is in no hurry. */
  ignoresSigterm: (_subject, { log }) => {
    process.on('SIGTERM', () => log.info('SIGTERM'));
    log.info('begun');
    return forEver();
  },
  spins: (_subject, { log }) => {
    log.info('begun', { pid: process.pid });
    for (;;);
  },
  comesBackLate: (_subject, { log }) => {
    log.info('begun');
    const until = performance.now() + 400;
    while (performance.now() < until);
    return 'processed';
  },
  exits: () => process.exit(3),
  crashes: () => {
    setImmediate(() => {
      throw new Error('out of the blue');
    });
    return forEver();
  },
  isKilled: async () => {
    process.kill(process.pid, 'SIGSEGV');
    return forEver();
  },
  /** Memory outside of V8's heap. */
  eats: async () => {
    for (;;) {
      kept.push(Buffer.alloc(16 * MiB, 1));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  },
  /** The process itself stays small. */
  hasOthersEat: async (_subject, { log }) => {
    const { pid } = spawn(process.execPath, ['-e', 'const kept = []; setInterval(() => kept.push(Buffer.alloc(16 * 2 ** 20, 1)), 10)']);
    log.info('started', { pid: pid! });
    return forEver();
  },
  eatsHeap: () => {
    for (;;) kept.push(Array.from({ length: 1000 }, (_, at) => ({ at })));
  },
  keepsMuch: () => {
    kept.push(Buffer.alloc(120 * MiB, 1));
    return 'processed';
  },
  /** A child, a child's child that its parent has left, and one that has left the group. */
  startsOthers: (subject, { log }) => {
    const direct = spawn('sleep', ['1000']).pid!;
    const away = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' }).pid!;
    const orphan = Number(spawnSync('sh', ['-c', 'sleep 1000 >/dev/null 2>&1 & echo $!'], { encoding: 'utf8' }).stdout);
    log.info('started', { pids: [process.pid, direct, away, orphan] });
    return deeds[subject.data.next as DeedName](subject, { log } as RunContext);
  },
  writes: async ({ id, data }, { em, attempt }) => {
    await em.execute(`insert into note (subject_id, attempt, text) values (?, ?, ?)`, [id, attempt, `written by ${process.pid}`]);
    if (data.next === 'wait') while ((await em.execute(`select from note where text = 'go on'`)).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    if (data.next === 'throw') throw new Error('after writing');
    if (data.next === 'exit') process.exit(5);
    if (data.next === 'spin') for (;;);
    return { status: 'processed', result: { pid: process.pid } };
  },
  asksForAResult: async (_subject, { result }) => ({ status: 'processed', result: { found: (await result('Before')) ?? null } }),
  /** With its transaction open, the lock goes another way. */
  writesUnderALock: async ({ id }, { em, attempt, lock }) => {
    await em.execute(`insert into note (subject_id, attempt, text) values (?, ?, 'written before')`, [id, attempt]);
    await using ned = await lock('ned', { seconds: 60 });
    await ned.renew(90);
    await em.execute(`insert into note (subject_id, attempt, text) select ?, ?, 'locked by ' || owner from named_lock where name = ?`, [id, attempt, ned.name]);
    return 'processed';
  },
  losesItsConnection: async (_subject, { em }) => {
    await em.execute(`select pg_terminate_backend(pg_backend_pid())`);
    return 'processed';
  },
};

export class Doer extends TransientTaskRunner {
  readonly taskName = 'Do';
  readonly schedule = '0 0 29 2 *';
  readonly prerequisites: Record<string, string> = {};
  readonly failedStatusMessage = 'failed';
  override readonly isolation = 'process';
  // That of the scripted runner, in whose place it may come: an older one claims nothing.
  override readonly version = 7;

  runProcess(subject: Transient, context: RunContext) {
    return deeds[subject.data.does as DeedName](subject, context);
  }
}

export const periodicRunners = [new Doer()];
