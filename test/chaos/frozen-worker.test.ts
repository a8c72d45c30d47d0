import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openDatabase } from '../../src/db/database.ts';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { runProgram, startProgram } from '../program.ts';
import * as pipeline from './slow-pipeline.ts';

describe('a worker that stands still for longer than its lease', () => {
  it('writes nothing when it goes on: another has done its work', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-frozen-'));
    const address = await createDatabaseAddress();
    const here = import.meta.dirname;
    const env = {
      DATABASE_URL: urlOf(address), AFTERGLOW_RUNNERS: path.join(here, 'slow-pipeline.ts'), AFTERGLOW_FIXTURES: path.join(here, 'fixtures', 'statuses.yaml') + ':' + path.join(here, 'fixtures', 'slow-task.yaml'),
      AFTERGLOW_LEASE_SECONDS: '1.5',
    };
    expect(await runProgram(['start', '--until-idle', '--no-web', '--data', path.join(folder, 'daemon')], env)).toMatchObject({ code: 0 });
    const database = await openDatabase(address, pipeline);
    const workers: ReturnType<typeof startProgram>[] = [];
    onTestFinished(async () => {
      for (const { child } of workers) child.kill('SIGKILL');
      await Promise.all(workers.map(({ ended }) => ended));
      await database.close();
      await rm(folder, { recursive: true, force: true });
    });
    const attempts = () => database.em().execute<{ attempt: number; outcome: string; pid: number }[]>(`select a.attempt, a.outcome, d.pid from attempt a join daemon d on d.id = a.daemon_id order by a.attempt`);
    const start = (name: string) => {
      const worker = startProgram(['worker', '--data', path.join(folder, name)], env);
      workers.push(worker);
      return worker;
    };
    const frozen = start('frozen');
    await database.em().execute(`with added as (insert into subject (kind, name) values ('transient', '2010ag') returning id) insert into transient (subject_id, ra_deg, dec_deg) select id, 150, 2 from added`);
    await vi.waitFor(async () => expect(await attempts()).toMatchObject([{ attempt: 1, outcome: 'running', pid: frozen.child.pid }]), 20_000);
    frozen.child.kill('SIGSTOP');
    start('other');
    await vi.waitFor(async () => expect(await attempts()).toMatchObject([{ outcome: 'rescued' }, { outcome: 'finished' }]), 25_000);
    const effects = () => database.em().execute<object[]>(`select attempt from effect`);
    expect(await effects()).toEqual([{ attempt: 2 }]);
    frozen.child.kill('SIGCONT');
    await frozen.saw('an attempt came too late and wrote nothing');
    expect(await effects()).toEqual([{ attempt: 2 }]);
    expect((await attempts()).map(({ outcome }) => outcome)).toEqual(['rescued', 'finished']);
    const [entry] = await database.em().execute<object[]>(`select r.attempt, s.message from task_register r join status s on s.id = r.status_id`);
    expect(entry).toEqual({ attempt: 2, message: 'processed' });
  }, 90_000);
});
