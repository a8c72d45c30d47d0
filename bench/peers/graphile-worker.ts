import { Logger, makeWorkerUtils, run as runWorker, type Runner, type Task } from 'graphile-worker';
import pg from 'pg';
import { clientConfig } from '../server.ts';
import { installed } from './installed.ts';
import type { Item, Peer, Run } from './peer.ts';

const TASK = 'entry';
const ADDED_AT_ONCE = 5_000;

/** One round trip and one transaction: the item's status, the counters, and the jobs that became ready. */
const FINISH = `
select graphile_worker.add_jobs(array_agg(
         row('${TASK}', json_build_object('subject', subject_id, 'task', task_id), null, null, null, null, null, null)::graphile_worker.job_spec))
  from finish_entry($1, $2)
having count(*) > 0`;

const ADD = `
select graphile_worker.add_jobs(array_agg(row('${TASK}', item, null, null, null, null, null, null)::graphile_worker.job_spec))
  from json_array_elements($1::json) as item`;

/** graphile-worker as it is by default. */
export const graphileWorker: Peer = peer('graphile-worker', {
  setUp: 'its defaults, with as many `concurrentJobs` as the concurrency and a `maxPoolSize` of one more, as on its page “Performance”',
  settings: {},
});

/** graphile-worker with everything in batches that its page "Performance" has in batches. */
export const graphileWorkerBatching: Peer = peer('graphile-worker, batching', {
  setUp: 'the same with the settings of its fastest figures there: `localQueue: { size: 500 }`, `completeJobBatchDelay: 0`, `failJobBatchDelay: 0`',
  settings: { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
});

function peer(name: string, { setUp, settings }: { setUp: string; settings: GraphileConfig.WorkerOptions }): Peer {
  return {
    name,
    setUp: `${setUp}; for the graph one statement writes the status and adds the jobs that became ready (\`graphile_worker.add_jobs\`)`,
    version: installed('graphile-worker'),
    needsRedis: false,
    async open({ address }, concurrency) {
      const pool = new pg.Pool({ ...clientConfig(address), max: concurrency + 1 });
      pool.on('error', () => {});
      pool.on('connect', (client) => client.on('error', () => {}));
      const logger = new Logger(() => () => {});
      const utils = await makeWorkerUtils({ pgPool: pool, logger });
      await utils.migrate();
      let runner: Runner | undefined;
      let failure: unknown;
      const start = async (task: Task) => {
        runner = await runWorker({
          pgPool: pool, preset: { worker: { ...settings, concurrentJobs: concurrency, logger } }, taskList: { [TASK]: task }, noHandleSignals: true, parsedCronItems: [],
        });
        runner.events.on('job:error', ({ error }) => (failure ??= error));
        runner.promise.catch((error: unknown) => (failure ??= error));
      };
      return {
        async add(items) {
          for (let at = 0; at < items.length; at += ADDED_AT_ONCE) await pool.query(ADD, [JSON.stringify(items.slice(at, at + ADDED_AT_ONCE))]);
        },
        work: (run: Run) => start(async (payload) => run(payload as Item)),
        workGraph: (run: Run) =>
          start(async (payload, { query }) => {
            const item = payload as Item;
            await run(item);
            await query({ name: 'finish', text: FINISH, values: [item.subject, item.task] } as never);
          }),
        async hasLeft() {
          if (failure !== undefined) throw failure as Error;
          const { rows } = await pool.query<{ has_left: boolean }>('select exists (select from graphile_worker._private_jobs) as has_left');
          return rows[0]!.has_left;
        },
        async close() {
          await runner?.stop();
          await utils.release();
          await pool.end();
        },
      };
    },
  };
}
