import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { CancelledError, OutcomeError, PermanentError, ProcessDiedError, ServiceError, StoppingError, TimeLimitError } from '../../src/errors.ts';
import { alive, attempt, createPool, thrown, told } from './pools.ts';

const SOON = { timeout: 10_000, interval: 5 };

describe('an attempt in a process of its own', () => {
  const { pool, lines } = createPool({ address: { url: 'postgresql://me:secret@db/afterglow' }, stops: afterAll });

  test('gets what any attempt gets, and gives back what any gives', async () => {
    const { pid, ...rest } = await told(attempt(pool, 'tells'));
    expect(pid).not.toBe(process.pid);
    expect(rest).toEqual({ runs: expect.any(Number) as number, at: 5, attempt: 1, idempotencyKey: '7-3-1', productsFolder: '/data/products' });
  });

  test('says what it logs and how far it is', async () => {
    const doing = attempt(pool, 'reports');
    await doing.result;
    expect(doing.lines).toEqual([{ level: 'info', message: 'half of it', fields: { figure: 0.5 } }, { level: 'warn', message: 'not so good', fields: undefined }]);
    expect(doing.progress).toEqual([0.5]);
  });

  test('has what it prints in the log of the daemon, with its name', async () => {
    await attempt(pool, 'reports').result;
    const of = { task: 'Do', subject: '2010ag', attempt: 1 };
    await expect.poll(() => lines, SOON).toContainEqual(expect.objectContaining({ ...of, stream: 'stdout', level: 20, msg: 'on standard output' }));
    await expect.poll(() => lines, SOON).toContainEqual(expect.objectContaining({ ...of, stream: 'stderr', level: 30, msg: 'on standard error' }));
  });

  test('shows nothing of the database or of the runners in its command line', async () => {
    const { pid } = await told(attempt(pool, 'tells'));
    expect(readFileSync(`/proc/${Number(pid)}/cmdline`, 'utf8')).not.toMatch(/secret|deeds|db/);
  });

  test.runIf(existsSync('/proc/self/oom_score_adj'))('goes before its daemon where the memory of the machine runs out', async () => {
    const { pid } = await told(attempt(pool, 'tells'));
    const before = (of: number | 'self') => Number(readFileSync(`/proc/${of}/oom_score_adj`, 'utf8'));
    expect(before(Number(pid))).toBeGreaterThan(before('self'));
  });

  test('costs no process of its own: one is used again and again', async () => {
    const first = await told(attempt(pool, 'tells'));
    expect(await told(attempt(pool, 'tells'))).toMatchObject({ pid: first.pid, runs: Number(first.runs) + 1 });
    expect(pool.state).toMatchObject({ processes: 1, busy: 0, started: 1, recycled: 0, killed: 0, died: 0 });
  });

  test('fails of an error with its class, its fields and its cause', async () => {
    const [own, service, permanent, nonsense, nothing] = [
      await thrown(attempt(pool, 'throws')), await thrown(attempt(pool, 'serviceAway')), await thrown(attempt(pool, 'forGood')), await thrown(attempt(pool, 'returnsNonsense')), await thrown(attempt(pool, 'throwsNothing')),
    ];
    expect(own).toBeInstanceOf(TypeError);
    expect(own).toMatchObject({ name: 'TypeError', message: 'of its own', figure: 3, cause: { message: 'the cause' }, stack: expect.stringContaining('deeds.ts') as string });
    expect(service).toBeInstanceOf(ServiceError);
    expect(service).toMatchObject({ code: 'SERVICE', service: 'tns', retryAt: new Date('2030-01-01T00:00:00Z') });
    expect(permanent).toBeInstanceOf(PermanentError);
    expect(nonsense).toBeInstanceOf(OutcomeError);
    expect(nonsense.message).toContain('"no such status"');
    expect(nothing).toMatchObject({ name: 'thrown value', message: 'undefined' });
  });
});

describe('an attempt that is to stop', () => {
  test('is told why', async () => {
    const { pool } = createPool();
    const doing = attempt(pool, 'obeys', { timeLimitSeconds: 0.1 });
    const reason = new TimeLimitError(0.1);
    expect(await doing.said('told to stop')).toEqual({ ...reason, class: 'TimeLimitError', message: reason.message });
    expect(await thrown(doing)).toBeInstanceOf(TimeLimitError);
    expect(doing.abort.signal.reason).toEqual(reason);
    // It may have left something behind that goes on.
    await expect.poll(() => pool.state, SOON).toMatchObject({ processes: 0, busy: 0, killed: 0 });
  });

  test('and does not is asked by SIGTERM after the grace time, and is gone then', async () => {
    const { pool, lines } = createPool();
    const doing = attempt(pool, 'ignores', { timeLimitSeconds: 0.1, limits: { killGraceSeconds: 0.2 } });
    expect(await thrown(doing)).toMatchObject({ name: 'ProcessDiedError', signal: 'SIGTERM', exitCodeOfProcess: null });
    const { wallSeconds } = await doing.result;
    expect(wallSeconds).toBeGreaterThan(0.29);
    await expect.poll(() => pool.state, SOON).toMatchObject({ processes: 0, busy: 0, killed: 1, died: 0 });
    expect(lines).toContainEqual(expect.objectContaining({ level: 40, task: 'Do', subject: '2010ag', msg: 'the process of an isolated attempt was killed' }));
  });

  test('and does not for SIGTERM either is killed after as long again', async () => {
    const { pool } = createPool();
    const doing = attempt(pool, 'ignoresSigterm', { timeLimitSeconds: 0.1, limits: { killGraceSeconds: 0.2 } });
    expect(await thrown(doing)).toMatchObject({ signal: 'SIGKILL' });
    await doing.said('SIGTERM');
    expect((await doing.result).wallSeconds).toBeGreaterThan(0.49);
  });

  test('and holds its main loop for ever is killed, and harms no other', async () => {
    const { pool } = createPool();
    const [spinning, other] = [attempt(pool, 'spins', { limits: { killGraceSeconds: 0.1 } }), attempt(pool, 'obeys')];
    await Promise.all([spinning.said('begun'), other.said('begun')]);
    spinning.abort.abort(new CancelledError('person ada', 'enough'));
    expect(await thrown(spinning)).toBeInstanceOf(ProcessDiedError);
    expect(pool.state).toMatchObject({ busy: 1, died: 0 });
    other.abort.abort(new StoppingError());
    expect(await thrown(other)).toBeInstanceOf(StoppingError);
  });

  test('is not argued with for long when its lease is lost or the daemon stops, whatever its grace time', async () => {
    const { pool } = createPool();
    const doing = attempt(pool, 'ignores', { limits: { killGraceSeconds: 3600 } });
    await doing.said('begun');
    doing.abort.abort(new StoppingError());
    expect(await thrown(doing)).toMatchObject({ signal: 'SIGTERM' });
  });

  test('and comes back by itself after its limit is known to be late', async () => {
    const { pool } = createPool();
    const doing = attempt(pool, 'comesBackLate', { timeLimitSeconds: 0.1 });
    await doing.result;
    expect(doing.abort.signal.reason).toBeInstanceOf(TimeLimitError);
    expect(pool.state.killed).toBe(0);
  });

  test('while it waits for a process need not wait any longer', async () => {
    const { pool } = createPool({ processes: 1 });
    const [running, waiting] = [attempt(pool, 'obeys'), attempt(pool, 'nothing')];
    await running.said('begun');
    waiting.abort.abort(new StoppingError());
    expect(await thrown(waiting)).toBeInstanceOf(StoppingError);
    running.abort.abort(new StoppingError());
    await running.result;
    expect(await told(attempt(pool, 'tells'))).toMatchObject({ runs: 1 });
  });
});

describe('a process that dies in the middle of an attempt', () => {
  test('by itself says with which exit code, and is followed by another', async () => {
    const { pool } = createPool();
    const error = await thrown(attempt(pool, 'exits'));
    expect(error).toBeInstanceOf(ProcessDiedError);
    expect(error).toMatchObject({ exitCodeOfProcess: 3, signal: null, message: 'The process of the attempt ended by itself with exit code 3.' });
    await expect.poll(() => pool.state, SOON).toMatchObject({ processes: 0, busy: 0, died: 1, killed: 0 });
    expect(await told(attempt(pool, 'tells'))).toMatchObject({ runs: 1 });
  });

  test('of an error that nobody catches says which', async () => {
    const { pool } = createPool();
    expect(await thrown(attempt(pool, 'crashes'))).toMatchObject({ exitCodeOfProcess: 1, lastWords: expect.stringContaining('Error: out of the blue') as string });
  });

  test('by a signal says by which', async () => {
    const { pool } = createPool();
    expect(await thrown(attempt(pool, 'isKilled'))).toMatchObject({ signal: 'SIGSEGV' });
  });

  test('before it has loaded the runners says why', async () => {
    const { pool } = createPool({ runnersFile: '/nowhere/runners.ts' });
    const error = await thrown(attempt(pool, 'nothing'));
    expect(error).toBeInstanceOf(ProcessDiedError);
    expect(error.message).toMatch(/^A process for isolated attempts could not be started: The runners of \/nowhere\/runners.ts cannot be loaded/);
    expect(pool.state).toMatchObject({ processes: 0, busy: 0 });
    expect(pool.troubles).toEqual([error.message]);
  });
});

describe('the memory of an attempt', () => {
  test('is limited', async () => {
    const { pool } = createPool();
    const error = await thrown(attempt(pool, 'eats', { limits: { memoryLimitMiB: 300 } }));
    expect(error).toMatchObject({ name: 'ProcessDiedError', memoryLimitMiB: 300, message: expect.stringMatching(/used \d+ MiB of memory, its limit is 300 MiB/) as string });
    expect(error.memoryMiB).toBeGreaterThan(300);
    await expect.poll(() => pool.state, SOON).toMatchObject({ processes: 0, killed: 1 });
  });

  test('counts what its processes use', async () => {
    const { pool } = createPool();
    const doing = attempt(pool, 'hasOthersEat', { limits: { memoryLimitMiB: 400 } });
    const { pid } = await doing.said('started');
    expect(await thrown(doing)).toMatchObject({ memoryLimitMiB: 400 });
    expect(alive([Number(pid)])).toEqual([]);
  });

  test('is what V8 is told of, too', async () => {
    const { pool } = createPool();
    const error = await thrown(attempt(pool, 'eatsHeap', { limits: { memoryLimitMiB: 200 } }));
    expect(error).toMatchObject({ name: 'ProcessDiedError', memoryLimitMiB: 200 });
    expect(error.message).toMatch(/ran out of its heap of 200 MiB|its limit is 200 MiB/);
  });

  test('that a process has kept is not counted against the next attempt', async () => {
    const { pool } = createPool();
    await attempt(pool, 'keepsMuch', { limits: { memoryLimitMiB: 300 } }).result;
    expect(await told(attempt(pool, 'tells', { limits: { memoryLimitMiB: 300 } }))).toMatchObject({ runs: 1 });
    expect(pool.state).toMatchObject({ recycled: 1, killed: 0 });
  });
});

describe.runIf(existsSync('/proc/self/stat'))('what a runner has started', () => {
  test('ends with its attempt, though the process is used again', async () => {
    const { pool } = createPool();
    const doing = attempt(pool, 'startsOthers', { next: 'tells' });
    const { pid } = await told(doing);
    const { pids } = await doing.said('started');
    expect(alive(pids as number[])).toEqual([pid]);
    await doing.said('3 processes that the runner had started and left behind were killed');
    expect(await told(attempt(pool, 'tells'))).toMatchObject({ pid, runs: 2 });
  });

  test.for(['exits', 'spins'] as const)('does not outlive a process that %s', async (next) => {
    const { pool } = createPool();
    const doing = attempt(pool, 'startsOthers', { next, timeLimitSeconds: next === 'spins' ? 1 : null, limits: { killGraceSeconds: 0.1 } });
    await doing.result;
    const { pids } = await doing.said('started');
    expect(pids).toHaveLength(4);
    expect(alive(pids as number[])).toEqual([]);
  });
});

describe('the pool', () => {
  test('has no more processes than it may', async () => {
    const { pool } = createPool({ processes: 2 });
    const [first, second, third] = [attempt(pool, 'obeys'), attempt(pool, 'obeys'), attempt(pool, 'tells')];
    await Promise.all([first.said('begun'), second.said('begun')]);
    expect(pool.state).toMatchObject({ most: 2, processes: 2, busy: 2 });
    first.abort.abort(new StoppingError());
    await third.result;
    second.abort.abort(new StoppingError());
    await second.result;
    expect(pool.state).toMatchObject({ runs: 3, started: 3 });
  });

  test('has no more for several memory limits than for one', async () => {
    const { pool } = createPool({ processes: 1 });
    for (const memoryLimitMiB of [300, 400]) await attempt(pool, 'nothing', { limits: { memoryLimitMiB } }).result;
    await expect.poll(() => pool.state, SOON).toMatchObject({ processes: 1, started: 2, busy: 0 });
  });

  test('lets a process go after its share of attempts', async () => {
    const { pool } = createPool({ processes: 1, maxTasksPerProcess: 2 });
    const runs = [];
    for (let n = 0; n < 4; n += 1) runs.push((await told(attempt(pool, 'tells'))).runs);
    expect(runs).toEqual([1, 2, 1, 2]);
    expect(pool.state).toMatchObject({ recycled: 2, started: 2, killed: 0, died: 0 });
  });

  test('lets a process go that has nothing to do', async () => {
    const { pool } = createPool({ idleSeconds: 0.1 });
    await attempt(pool, 'nothing').result;
    await expect.poll(() => pool.state, SOON).toMatchObject({ processes: 0, killed: 0, died: 0 });
  });

  test('starts processes ahead, one for each memory limit, as many as there may be', async () => {
    const { pool } = createPool({ processes: 1 });
    await pool.warm([undefined, 300, undefined]);
    expect(pool.state).toMatchObject({ processes: 1, busy: 0, runs: 0 });
    await attempt(pool, 'nothing').result;
    expect(pool.state.started).toBe(1);
  });

  test('leaves nothing when it stops, running or not', async () => {
    const { pool } = createPool();
    const doing = attempt(pool, 'startsOthers', { next: 'ignores' });
    const { pids } = await doing.said('started');
    await attempt(pool, 'nothing').result;
    await pool.stop();
    expect(await thrown(doing)).toBeInstanceOf(ProcessDiedError);
    expect(alive(pids as number[])).toEqual([]);
    expect(pool.state).toMatchObject({ processes: 0, busy: 0 });
  });
});

describe('processes of a daemon that is killed', () => {
  /** A process with a pool in which an attempt has started others and spins. */
  const start = async () => {
    const parent = spawn(process.execPath, [path.join(import.meta.dirname, 'parent.ts')], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    parent.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    await expect.poll(() => said, SOON).toMatch(/begun\n/);
    const [child, direct, away, orphan] = JSON.parse(said.slice(0, said.indexOf('\n'))) as [number, number, number, number];
    onTestFinished(() => {
      for (const pid of [parent.pid!, ...alive([child, direct, away, orphan])]) kill(pid);
    });
    return { parent, child, direct, away, orphan };
  };
  const kill = (pid: number) => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone.
    }
  };

  test('end with it, though they hold their main loops', async () => {
    const { parent, child, direct, orphan } = await start();
    expect(alive([child, direct, orphan])).toHaveLength(3);
    parent.kill('SIGKILL');
    await expect.poll(() => alive([child, direct, orphan]), SOON).toEqual([]);
  });

  test('and die in the same moment are swept up by the next one on the machine, with what has left them', async () => {
    const { parent, child, ...others } = await start();
    parent.kill('SIGSTOP');
    kill(child);
    parent.kill('SIGKILL');
    await expect.poll(() => alive([parent.pid!]), SOON).toEqual([]);
    const { pool } = createPool();
    await pool.warm([undefined]);
    await expect.poll(() => alive(Object.values(others)), SOON).toEqual([]);
  });
});
