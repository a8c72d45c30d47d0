import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { runSystem } from '../../src/daemon/run-system.ts';
import type { Database } from '../../src/db/database.ts';
import { CpuMeter } from '../../src/engine/cpu-meter.ts';
import { SystemTaskRunner } from '../../src/runner/runner.ts';
import type { RunContext } from '../../src/runner/context.ts';
import { createDatabase } from '../harness.ts';
import { listeningLog } from '../engine/world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
  await database.em().execute(`create table note (text text not null unique)`);
});

class Chore extends SystemTaskRunner {
  readonly taskName = 'Chore';
  readonly schedule = '0 0 29 2 *';
  readonly #act: (context: RunContext) => unknown;

  constructor(act: (context: RunContext) => unknown) {
    super();
    this.#act = act;
  }

  override runProcess(context: RunContext): void {
    return this.#act(context) as void;
  }
}

async function run(act: (context: RunContext) => unknown, { limit = null, stop = new AbortController().signal, onUnsettled }: { limit?: number | null; stop?: AbortSignal; onUnsettled?: (settled: Promise<unknown>) => void } = {}) {
  await database.em().execute(`delete from note`);
  const end = await runSystem(new Chore(act), {
    fork: () => database.em(), hot: database.hot, timeLimitSeconds: limit, folders: { data: '/data', products: '/products' }, clock: systemClock, log: listeningLog().log, cpu: new CpuMeter(), stop, idempotencyKey: 'tick-5', onUnsettled,
  });
  const notes = (await database.em().execute<{ text: string }[]>(`select text from note order by text`)).map(({ text }) => text);
  return { ...end, notes };
}
const note = (context: RunContext, text: string) => context.em.execute(`insert into note values (?)`, [text]);

describe('a run of a system runner', () => {
  it('commits what it wrote at its end, and gives its result and log', async () => {
    const end = await run(async (context) => {
      expect(context).toMatchObject({ attempt: 1, idempotencyKey: 'tick-5', productsFolder: '/products', dataFolder: '/data' });
      await note(context, 'one');
      context.log.info('loaded', { galaxies: 3 });
      expect(await database.em().execute(`select text from note`)).toEqual([]);
      return { loaded: 3 };
    });
    expect(end).toMatchObject({ result: { loaded: 3 }, notes: ['one'], log: [{ level: 'info', message: 'loaded', fields: { galaxies: 3 } }] });
    expect(end).not.toHaveProperty('error');
    expect(end.cpuSeconds).toBeGreaterThanOrEqual(0);
  });

  it('enqueues jobs together with its end, or not at all, and sees them itself', async () => {
    await database.em().execute(`insert into status (message, type) values ('completed', 'success'), ('failed', 'error'), ('cancelled', 'error') on conflict do nothing`);
    await database.em().execute(`insert into task (name, kind) values ('Mail', 'job:Mail')`);
    const enqueues = async ({ jobs }: RunContext) => {
      const first = await jobs.enqueue('Mail', { to: 'ada' });
      const { id } = await jobs.enqueue('Mail', {}, { parent: first });
      return { id, waitsFor: (await jobs.get(id)).waitsFor.length };
    };
    const failed = await run(async (context) => {
      await enqueues(context);
      throw new RangeError('fell');
    });
    expect(failed.error).toMatchObject({ message: 'fell' });
    expect(await database.em().execute(`select from job`)).toEqual([]);
    expect(await run(enqueues)).toMatchObject({ result: { waitsFor: 1 } });
    expect(await database.em().execute(`select enqueued_by from job order by subject_id`)).toEqual([{ enqueued_by: '"Chore"' }, { enqueued_by: '"Chore"' }]);
  });

  it.each<[string, (context: RunContext) => unknown, object]>([
    ['throws', async (context) => { await note(context, 'one'); throw new RangeError('fell'); }, { name: 'RangeError', message: 'fell' }],
    ['throws nothing', async (context) => { await note(context, 'one'); throw undefined as unknown as Error; }, { message: 'The runner threw nothing.' }],
    ['returns what cannot be kept', async (context) => { await note(context, 'one'); return { n: 5n }; }, { code: 'OUTCOME' }],
    ['violates a constraint', async (context) => { await note(context, 'one'); await note(context, 'one'); }, { code: '23505' }],
  ])('keeps nothing when it %s, and says why', async (_what, act, error) => {
    const end = await run(act);
    expect(end).toMatchObject({ error, notes: [] });
    expect(end).not.toHaveProperty('result');
  });

  it('is told to stop at its time limit, whether it listens or not', async () => {
    const end = await run(async (context) => {
      await note(context, 'one');
      return new Promise(() => {});
    }, { limit: 0.05 });
    expect(end).toMatchObject({ error: { code: 'TIME_LIMIT', limitSeconds: 0.05 }, notes: [] });
  });

  it('that does not stop at its time limit is announced as unsettled, with what settles at its end; one that stops is not', async () => {
    const given: Promise<unknown>[] = [];
    let end!: (value: unknown) => void;
    const onUnsettled = (settled: Promise<unknown>) => void given.push(settled);
    await run(() => new Promise((resolve) => (end = resolve)), { limit: 0.05, onUnsettled });
    expect(given).toHaveLength(1);
    end('late');
    expect(await given[0]).toBe('late');
    await run(({ signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))), { limit: 0.05, onUnsettled });
    await run(() => ({ done: 1 }), { onUnsettled });
    expect(given).toHaveLength(1);
  });

  it('is told to stop when the daemon stops, or does not begin', async () => {
    const stop = new AbortController();
    const running = run(async (context) => {
      await note(context, 'one');
      stop.abort();
      return new Promise(() => {});
    }, { stop: stop.signal });
    expect(await running).toMatchObject({ error: { code: 'STOPPING' }, notes: [] });
    let began = false;
    expect(await run(() => { began = true; }, { stop: stop.signal })).toMatchObject({ error: { code: 'STOPPING' } });
    expect(began).toBe(false);
  });
});
