import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { JobCancelledError, JobFailedError, JobSkippedError } from '../../src/errors.ts';
import { ScriptJobRunner } from '../../src/scripts/script-job-runner.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from '../jobs/job-world.ts';
import { processesWith, said, scriptFolder } from './runners.ts';

const SOON = { timeout: 10_000, interval: 10 };
const database = await createDatabase();
const { data, write } = scriptFolder();
const timeoutSeconds = 20;

class Fetch extends ScriptJobRunner<{ url: string; year?: number }, { rows: number }> {
  readonly taskName: string = 'Fetch';
  readonly args = z.object({ url: z.string(), year: z.number().optional() });
  override readonly result = z.looseObject({ rows: z.number() });
  override readonly environment = { MINE: 'fetch' };
  override readonly killGraceSeconds = 1;
  readonly script: string;

  constructor(script: string) {
    super();
    this.script = script;
  }

  override argv({ year = 2000 }: { year?: number }): string[] {
    return [String(year)];
  }
}

class Load extends Fetch {
  override readonly taskName = 'Load';
}

async function given(...scripts: string[]) {
  const fetch = new Fetch(await write(scripts[0]!));
  const load = new Load(await write(scripts[1] ?? said('{"status": "success", "rows": 0}')));
  const world = await createJobWorld(database, [fetch, load]);
  const { engine } = await world.work({ folders: { data: data(), products: data() } });
  return { ...world, engine, fetch, load };
}

const ATTEMPT = `select result, warning, cost::float, error, log from attempt where subject_id = ?`;

describe('a script as a job', () => {
  test('gets the arguments and gives its result, beside which warning and cost are kept', async () => {
    const { jobs, fetch } = await given(`read -r input\necho fetching\n${said('{"status": "success", "rows": 5, "input": $input, "year": $1, "warning": "old", "cost": 0.25}')}`);
    const job = await jobs.enqueue(fetch, { url: 'file:///a', year: 2019 });
    const result = await jobs.wait(job, { timeoutSeconds });
    expect(result).toMatchObject({ rows: 5, year: 2019, input: { task: 'Fetch', job: { id: job.id, name: 'Fetch' }, args: { url: 'file:///a', year: 2019 }, parents: [], attempt: 1 } });
    const [attempt] = await database.em().execute<{ warning: string; cost: number; log: { message: string }[] }[]>(ATTEMPT, [job.id]);
    expect(attempt).toMatchObject({ warning: 'old', cost: 0.25, log: [{ message: 'fetching' }] });
  });

  test('M17: gets what its parents gave', async () => {
    const { jobs, fetch, load } = await given(said('{"status": "completed", "rows": 5, "output_url": "file:///b"}'), `read -r input\n${said('{"status": "success", "rows": 1, "input": $input}')}`);
    const [, last] = await jobs.chain([{ type: fetch, args: { url: 'a' }, options: {} }, { type: load, args: { url: 'b' }, options: {} }] as never);
    expect(await jobs.wait(last!, { timeoutSeconds })).toMatchObject({ input: { parents: [{ rows: 5, output_url: 'file:///b' }] } });
  });

  test('that says so is skipped, with its reason', async () => {
    const { jobs, fetch } = await given(said('{"status": "skipped", "reason": "no new rows", "rows": 0}'));
    const job = await jobs.enqueue(fetch, { url: 'a' });
    await expect(jobs.wait(job, { timeoutSeconds })).rejects.toThrow(new JobSkippedError(job.id, 'Fetch', 'no new rows'));
    expect(await jobs.get(job)).toMatchObject({ state: 'skipped', result: { reason: 'no new rows', rows: 0 } });
  });

  test.each([
    ['says that it failed', said('{"status": "failed", "reason": "the file is empty"}'), /said that it failed: the file is empty/],
    ['names a status that jobs do not have', said('{"status": "complete"}'), /unknown status "complete"\. Did you mean "completed"\?/],
    ['ends with an exit code', 'echo "no route" >&2; exit 7', /ended with exit code 7\. It said at last:\nno route/],
    ['gives what its type does not declare', said('{"status": "success", "rows": "many"}'), /returned what its type does not declare: result.rows/],
  ])('that %s has failed', async (_what, script, message) => {
    const { jobs, fetch } = await given(script);
    const job = await jobs.enqueue(fetch, { url: 'a' });
    const failure = await jobs.wait(job, { timeoutSeconds }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(JobFailedError);
    expect((failure as Error).message).toMatch(message);
  });

  test('that is cancelled is gone when the job is', async () => {
    const { jobs, fetch } = await given('trap "" TERM\nsleep 300 &\nwhile true; do sleep 0.05; done');
    const job = await jobs.enqueue(fetch, { url: 'a' });
    await expect.poll(() => processesWith('MINE', 'fetch').length, SOON).toBeGreaterThanOrEqual(2);
    expect(await jobs.cancel(job, 'wrong file', { by: 'ann' })).toBe('stopping');
    await expect(jobs.wait(job, { timeoutSeconds })).rejects.toBeInstanceOf(JobCancelledError);
    expect(processesWith('MINE', 'fetch')).toEqual([]);
  });

  test('is stopped at the time limit of the job', async () => {
    const { jobs, fetch } = await given('sleep 300');
    const job = await jobs.enqueue(fetch, { url: 'a' }, { timeoutSeconds: 0.3 });
    await expect(jobs.wait(job, { timeoutSeconds })).rejects.toThrow(/time limit of 0\.3 s/);
    expect(processesWith('MINE', 'fetch')).toEqual([]);
  });
});
