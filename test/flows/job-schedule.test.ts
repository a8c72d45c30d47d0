import { onTestFinished, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { runSystem } from '../../src/daemon/run-system.ts';
import type { Database } from '../../src/db/database.ts';
import { CpuMeter } from '../../src/engine/cpu-meter.ts';
import { checkJobSchedules } from '../../src/runner/check/job-schedules.ts';
import { JobSchedule, scheduled, type ScheduledJob } from '../../src/runner/job-schedule.ts';
import { scheduleTasks } from '../../src/runner/job-tasks.ts';
import { createScheduler } from '../../src/schedule/scheduler.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { listeningLog } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from '../jobs/job-world.ts';
import { gate, ScriptedJob } from '../jobs/scripted-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

class Given extends JobSchedule {
  readonly taskName: string;
  readonly schedule: number | string;
  readonly jobs: readonly ScheduledJob[];
  override readonly minimumSpacingSeconds: number;
  override readonly whileOpen: 'skip' | 'enqueue';

  constructor(jobs: readonly ScheduledJob[], { name = 'Nightly', spacing = 0, whileOpen = 'skip', schedule = '0 3 * * *' }: { name?: string; spacing?: number; whileOpen?: 'skip' | 'enqueue'; schedule?: number | string } = {}) {
    super();
    this.taskName = name;
    this.jobs = jobs;
    this.minimumSpacingSeconds = spacing;
    this.whileOpen = whileOpen;
    this.schedule = schedule;
  }
}

const midnight = (night: number) => new Date(Date.UTC(2026, 0, night));

/** Runs a schedule as the daemon does when a slot has come. */
async function fire(schedule: JobSchedule, slot: Date) {
  const { log } = listeningLog();
  const { result, error } = await runSystem(schedule, {
    fork: () => database.em(), hot: database.hot, timeLimitSeconds: null, folders: { data: '/data', products: '/products' }, clock: systemClock, log, cpu: new CpuMeter(),
    stop: new AbortController().signal, idempotencyKey: 'tick', slot,
  });
  expect(error).toBeUndefined();
  return result as { executed: boolean; jobs: string[]; reason?: string };
}

async function givenJobs() {
  const [one, two] = [new ScriptedJob('One'), new ScriptedJob('Two')];
  const world = await createJobWorld(database, [one, two]);
  await database.em().execute(`delete from job_schedule; delete from schedule; delete from tick`);
  return { ...world, one, two };
}

describe('a schedule of jobs', () => {
  test('enqueues them with arguments that may depend on the time that it is for, however late that is', async () => {
    const { one, jobs } = await givenJobs();
    const schedule = new Given([scheduled(one, ({ slot }) => ({ text: slot.toISOString() }), { priority: 3 })]);
    const fired = await fire(schedule, midnight(5));
    expect(fired).toEqual({ executed: true, jobs: [expect.any(String)] });
    expect(await jobs.get(fired.jobs[0]!)).toMatchObject({ name: 'One', args: { text: '2026-01-05T00:00:00.000Z' }, priority: 3, enqueuedBy: '"Nightly"' });
  });

  test('Fd5: nested jobs wait for the one that they stand under', async () => {
    const { one, two, jobs, work } = await givenJobs();
    const { script, open } = gate();
    one.does(async (args, context) => { await script(args, context); return 'collected'; });
    const heard: unknown[] = [];
    two.does(async (_args, context) => void heard.push(await context.parentResults()));
    const { jobs: [parent, child, grandchild] } = await fire(new Given([scheduled(one, {}, { followedBy: [scheduled(two, {}, { followedBy: [scheduled(two, { n: 2 })] })] })]), midnight(5));
    const begins = one.begins({ id: parent! });
    await work();
    await begins;
    expect(await jobs.get(child!)).toMatchObject({ state: 'pending', parents: [parent] });
    expect(await jobs.get(grandchild!)).toMatchObject({ state: 'pending', parents: [child] });
    expect(two.runs).toEqual([]);
    open();
    await jobs.wait(grandchild!, { timeoutSeconds: 30 });
    expect(heard).toEqual([['collected'], [null]]);
  });

  test('C20: keeps a least distance between two firings, whoever fires', async () => {
    const { one } = await givenJobs();
    const schedule = new Given([scheduled(one, {})], { spacing: 3600, whileOpen: 'enqueue' });
    const all = await Promise.all([5, 6, 7].map((night) => fire(schedule, midnight(night))));
    expect(all.filter(({ executed }) => executed).length).toBe(1);
    for (const { executed, reason } of all) if (!executed) expect(['too soon', 'fired already']).toContain(reason);
    await database.em().execute(`update job_schedule set fired_at = fired_at - interval '1 hour'`);
    expect(await fire(schedule, midnight(8))).toMatchObject({ executed: true });
  });

  test('enqueues once for a slot, though its tick was lost with its daemon after that', async () => {
    const { one, jobs } = await givenJobs();
    const schedule = new Given([scheduled(one, {})], { whileOpen: 'enqueue' });
    expect(await fire(schedule, midnight(5))).toMatchObject({ executed: true });
    expect(await fire(schedule, midnight(5))).toEqual({ executed: false, reason: 'fired already' });
    expect(await jobs.list()).toHaveLength(1);
  });

  test('is skipped while a job of the firing before is pending or running, with the reason', async () => {
    const { one, two, jobs, work } = await givenJobs();
    const schedule = new Given([scheduled(one, {}, { followedBy: [scheduled(two, {})] })]);
    const first = await fire(schedule, midnight(5));
    expect(await fire(schedule, midnight(6))).toEqual({ executed: false, reason: 'still open', jobs: first.jobs });
    await work();
    await jobs.wait(first.jobs[1]!, { timeoutSeconds: 30 });
    expect(await fire(schedule, midnight(7))).toMatchObject({ executed: true });
  });

  test('Fd8: a job that is limited is a reason to skip, and no failure; nothing of the firing is enqueued', async () => {
    class Limited extends ScriptedJob {
      override readonly limit = { most: 1 };
    }
    const [plain, limited] = [new ScriptedJob('Plain'), new Limited('Limited')];
    const { jobs } = await createJobWorld(database, [plain, limited]);
    await database.em().execute(`delete from job_schedule`);
    await jobs.enqueue(limited, {});
    const schedule = new Given([scheduled(plain, {}), scheduled(limited, {})]);
    expect(await fire(schedule, midnight(5))).toMatchObject({ executed: false, reason: 'limit', message: expect.stringContaining('"Limited" may have at most 1') as string });
    expect(await jobs.list()).toHaveLength(1);
    await jobs.cancel((await jobs.list())[0]!, 'enough');
    expect(await fire(schedule, midnight(6))).toMatchObject({ executed: true, jobs: [expect.anything(), expect.anything()] });
  });

  test('Fd7: one whose jobs do not end keeps no other schedule from its time', async () => {
    const { one, two } = await givenJobs();
    const stuck = new Given([scheduled(one, {})], { name: 'Stuck', schedule: 0.1 });
    const free = new Given([scheduled(two, {})], { name: 'Free', schedule: 0.1, whileOpen: 'enqueue' });
    const runners = [stuck, free];
    await syncSchedules(database.em(), runners, systemClock);
    const { log } = listeningLog();
    const scheduler = createScheduler({ database, runners, daemonId: 1, clock: systemClock, log, onTick: async (runner, tick) => ({ result: await fire(runner as JobSchedule, tick.slot) }) });
    onTestFinished(async () => {
      await scheduler.stop();
      await scheduler.settled();
    });
    await scheduler.start();
    const counted = () => database.em().execute<{ name: string; n: number }[]>(`select t.name, count(*)::int as n from job j join task t on t.id = j.task_id group by 1 order by 1`);
    await expect.poll(async () => (await counted()).find(({ name }) => name === 'Two')?.n ?? 0, { timeout: 30_000 }).toBeGreaterThanOrEqual(5);
    expect((await counted()).find(({ name }) => name === 'One')?.n).toBe(1);
    // The stuck one is not "the earliest due" for ever: its slots are accounted for, each with what came of it.
    const ticks = await database.em().execute<{ reason: string | null; outcome: string }[]>(`select result->>'reason' as reason, outcome from tick where runner = 'Stuck' and ended_at is not null order by id`);
    expect(ticks.length).toBeGreaterThan(2);
    expect(ticks.slice(1)).toEqual(ticks.slice(1).map(() => ({ reason: 'still open', outcome: 'finished' })));
  });

  test('Fd12: fires at the times of its interval, without drift', async () => {
    const { one } = await givenJobs();
    const schedule = new Given([scheduled(one, ({ slot }) => ({ n: slot.getTime() }))], { schedule: 0.2, whileOpen: 'enqueue' });
    await syncSchedules(database.em(), [schedule], systemClock);
    const { log } = listeningLog();
    const scheduler = createScheduler({ database, runners: [schedule], daemonId: 1, clock: systemClock, log, onTick: async (_runner, tick) => ({ result: await fire(schedule, tick.slot) }) });
    onTestFinished(async () => {
      await scheduler.stop();
      await scheduler.settled();
    });
    await scheduler.start();
    const times = async () => (await database.em().execute<{ n: string }[]>(`select data->>'n' as n from subject where kind like 'job:%' order by id`)).map(({ n }) => Number(n));
    await expect.poll(async () => (await times()).length, { timeout: 30_000 }).toBeGreaterThanOrEqual(5);
    expect((await times()).map((ms) => ms % 200)).toEqual((await times()).map(() => 0));
  });

  test('has a task of its own without a line in the fixtures, and is checked before anything runs', async () => {
    const { one } = await givenJobs();
    const schedule = new Given([scheduled(one, {}, { followedBy: [scheduled(new ScriptedJob('Absent'), {})] })], { spacing: -1 });
    expect(scheduleTasks([schedule], [])).toMatchObject([{ name: 'Nightly', kind: 'system', active: true }]);
    expect(scheduleTasks([schedule], [{ name: 'Nightly' }])).toEqual([]);
    expect(checkJobSchedules([schedule, one]).map(({ message }) => message)).toEqual([
      'The schedule "Nightly" enqueues the job "Absent", which no runner of the list does.',
      'The minimumSpacingSeconds of the schedule "Nightly" should be a number from 0 on; found -1.',
    ]);
  });
});
