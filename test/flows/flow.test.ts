import { beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { flowReport, type SaidCheckpoint } from '../../src/flows/flow-report.ts';
import { readFlow } from '../../src/flows/read-flow.ts';
import { PermanentError } from '../../src/errors.ts';
import type { Flow } from '../../src/runner/flow.ts';
import { step } from '../../src/runner/jobs.ts';
import { createWorld } from '../engine/create-world.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from '../jobs/job-world.ts';
import { ScriptedJob } from '../jobs/scripted-job.ts';

const upload: Flow = {
  name: 'Upload', begin: 'received', success: ['notified'], failure: ['refused', 'too late'],
  spans: { processing: ['started', 'processed'], 'whole way': ['received', 'notified'] },
};
const other: Flow = { name: 'Other', begin: 'opened', success: ['closed'] };

/** Checkpoints at seconds after 12:00. */
const said = (...points: readonly (readonly [name: string, second: number])[]): SaidCheckpoint[] =>
  points.map(([name, second]) => ({ name, at: new Date(Date.UTC(2026, 0, 1, 12, 0, second)), subject: 'a', task: 'T', attempt: 1 }));

describe('C32: a flow of checkpoints', () => {
  test('has a beginning, one end, and the time that it and its stretches took', () => {
    const report = flowReport(said(['received', 0], ['started', 2], ['processed', 7], ['notified', 8]), [other, upload]);
    expect(report).toMatchObject({ flow: 'Upload', state: 'success', seconds: 8, spans: [{ name: 'processing', seconds: 5 }, { name: 'whole way', seconds: 8 }] });
    expect(report.steps.map(({ name, sinceBeginSeconds, sinceLastSeconds }) => [name, sinceBeginSeconds, sinceLastSeconds])).toEqual([
      ['received', 0, 0], ['started', 2, 2], ['processed', 7, 5], ['notified', 8, 1],
    ]);
  });

  test('is open until one of its ends is said', () => {
    expect(flowReport(said(['received', 0], ['started', 2]), [upload])).toMatchObject({ state: 'open', seconds: undefined, endedAt: undefined, spans: [{ seconds: undefined }, { seconds: undefined }] });
    expect(flowReport(said(['received', 0], ['too late', 9]), [upload])).toMatchObject({ state: 'failure', seconds: 9 });
  });

  test('tolerates what is said again, and in any order', () => {
    const report = flowReport(said(['processed', 1], ['notified', 9], ['received', 0], ['started', 3], ['started', 4], ['refused', 5]), [upload]);
    // What failed was done again, and then it worked.
    expect(report).toMatchObject({ state: 'success', seconds: 9, spans: [{ name: 'processing', seconds: undefined }, { name: 'whole way', seconds: 9 }] });
    expect(report.steps.map(({ name, times }) => `${name} ${times}`)).toEqual(['received 1', 'processed 1', 'started 2', 'refused 1', 'notified 1']);
    expect(flowReport(said(['notified', 3]), [upload])).toMatchObject({ flow: 'Upload', state: 'success', seconds: 0 });
  });

  test('needs no declaration', () => {
    expect(flowReport(said(['here', 0], ['there', 2]), [upload])).toMatchObject({ flow: undefined, state: 'open', steps: [{ name: 'here' }, { name: 'there', sinceBeginSeconds: 2 }] });
    expect(flowReport([], [upload])).toMatchObject({ flow: undefined, state: 'open', steps: [], begunAt: undefined });
  });
});

describe('checkpoints that runners say', () => {
  let database: Database;
  beforeAll(async () => {
    database = await createDatabase();
  });

  test('of jobs that hang together are one flow, whichever of them is asked for', async () => {
    const receive = new ScriptedJob('Receive', async (_args, context) => { await context.checkpoint('received', { files: 3 }); await context.checkpoint('started'); });
    const notify = new ScriptedJob('Notify', async (_args, context) => { await context.checkpoint('processed'); await context.checkpoint('notified'); });
    const { jobs, work } = await createJobWorld(database, [receive, notify]);
    await work();
    const stranger = await jobs.enqueue(receive, {});
    const [first, last] = await jobs.chain([step(receive, {}), step(notify, {})] as never);
    await jobs.wait(last!, { timeoutSeconds: 30 });
    await jobs.wait(stranger, { timeoutSeconds: 30 });
    for (const { id } of [first!, last!]) {
      const flow = await readFlow(database.em(), id, [upload]);
      expect(flow).toMatchObject({ flow: 'Upload', state: 'success', subjects: [first!.id, last!.id] });
      expect(flow.steps.map(({ name, task }) => `${name} ${task}`)).toEqual(['received Receive', 'started Receive', 'processed Notify', 'notified Notify']);
      expect(flow.seconds).toBeGreaterThanOrEqual(0);
    }
    await expect(readFlow(database.em(), '999', [])).rejects.toThrow('999');
  });

  test('stay when the attempt fails, and are seen while it runs', async () => {
    const failing = new ScriptedJob('Failing', async (_args, context) => {
      await context.checkpoint('started');
      expect((await readFlow(database.em(), context.job.id, [])).steps).toMatchObject([{ name: 'started', attempt: 1 }]);
      throw new PermanentError('no');
    });
    const { jobs, work } = await createJobWorld(database, [failing]);
    await work();
    const job = await jobs.enqueue(failing, {});
    await expect(jobs.wait(job, { timeoutSeconds: 30 })).rejects.toThrow('no');
    expect((await readFlow(database.em(), `#${job.id}`, [])).steps).toMatchObject([{ name: 'started' }]);
  });

  test('of an object are those of all its tasks', async () => {
    const world = await createWorld(database, { tasks: { One: {}, Two: { needs: { One: 'processed' } } } });
    await world.add('a');
    for (const name of ['One', 'Two'] as const) world.runner(name).does(async (_subject, { checkpoint }) => { await checkpoint(`${name} begun`); return 'processed'; });
    await world.engine().work();
    expect((await readFlow(database.em(), 'a', [])).steps).toMatchObject([{ name: 'One begun', task: 'One', subject: 'a' }, { name: 'Two begun', task: 'Two' }]);
  });

  test('that cannot be kept are no reason to fail', async () => {
    const world = await createWorld(database, { tasks: { One: { does: async (_subject, { checkpoint }) => { await checkpoint('', { a: 1n } as never); return 'processed'; } } } });
    await world.add('a');
    await world.engine().work();
    expect(await world.attempts('a', 'One')).toMatchObject([{ outcome: 'finished', log: [{ level: 'warn', message: expect.stringContaining('could not be kept') }] }]);
  });
});
