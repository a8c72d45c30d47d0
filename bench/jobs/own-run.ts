import { systemClock } from '../../src/clock.ts';
import { openDatabase } from '../../src/db/database.ts';
import { LocalEngine } from '../../src/engine/engine.ts';
import { jobsOf } from '../../src/jobs/open.ts';
import { createLog } from '../../src/log.ts';
import { step } from '../../src/runner/jobs.ts';
import { storeGraph } from '../graph.ts';
import { Calls } from '../peers/calls.ts';
import { DeliveryError } from '../pipeline/delivery-error.ts';
import { untilEnded } from '../pipeline/engine-run.ts';
import { measured } from '../pipeline/measured.ts';
import { withClient, type BenchServer } from '../server.ts';
import { BenchJob, jobsAlone } from './job.ts';
import { BATCH, type JobsRun } from './peer-jobs.ts';

/**
 * Enqueues jobs from one client, a thousand at once, and then runs them with the engine as a daemon uses it.
 *
 * @throws {DeliveryError} a job was lost, done twice or left open
 */
export async function runJobs(server: BenchServer, items: number, concurrency: number): Promise<JobsRun> {
  const address = await server.create();
  try {
    const calls = new Calls(items, 1);
    const runner = new BenchJob((item) => calls.count({ subject: item, task: 1 }));
    const database = await openDatabase(address, {}, concurrency + 8);
    const { machine, statusIds, tasks } = await storeGraph(database.em(), jobsAlone(runner));
    const engine = new LocalEngine({
      fork: () => database.em(), hot: database.hot, tasks, machine, statusIds, daemonId: 1, actor: 'bench', concurrency, leaseSeconds: 30,
      folders: { data: server.folder, products: server.folder }, clock: systemClock, log: createLog('silent'),
    });
    const jobs = jobsOf(address, { by: 'bench' });
    // The first statement makes the connection and plans the function.
    await jobs.list({ limit: 1 });
    const enqueue = await measured(server, async () => {
      for (let at = 0; at < items; at += BATCH) {
        await jobs.group(Array.from({ length: Math.min(BATCH, items - at) }, (_, place) => step(runner, { item: at + place + 1 })));
      }
    });
    await jobs.close();
    await withClient(address, (client) => client.query('vacuum analyze'));
    await server.checkpoint();
    const listener = await database.connect('afterglow listener');
    listener.on('error', () => {});
    listener.on('notification', ({ payload }) => void engine.wake(Number(payload)));
    await listener.query('listen afterglow_ready');
    const work = await measured(server, () => untilEnded(engine, items));
    await listener.end();
    await engine.stop(0);
    await database.close();
    calls.assertOnceEach();
    await withClient(address, async (client) => {
      const { rows } = await client.query<{ completed: number; attempts: number }>(
        `select (select count(*) from job where state = 'completed')::integer as completed, (select count(*) from attempt where outcome = 'finished')::integer as attempts`,
      );
      const [{ completed, attempts } = { completed: 0, attempts: 0 }] = rows;
      if (completed !== items || attempts !== items) throw new DeliveryError([`of ${items} jobs ${completed} are completed, by ${attempts} attempts`]);
    });
    return { enqueue, work };
  } finally {
    await server.drop(address);
  }
}
