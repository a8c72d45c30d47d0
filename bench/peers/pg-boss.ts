import { PgBoss, type Job } from 'pg-boss';
import { clientConfig } from '../server.ts';
import { installed } from './installed.ts';
import type { Item, Peer } from './peer.ts';

const QUEUE = 'entry';
/** Items that one fetch takes; with so many fetchers that together they make the concurrency. */
const BATCH = 32;
const INSERTED_AT_ONCE = 1_000;

/** pg-boss with batches in transactions and woken by NOTIFY: the fastest of what its documentation offers. */
export const pgBoss: Peer = {
  name: 'pg-boss',
  version: installed('pg-boss'),
  needsRedis: false,
  setUp:
    `one queue with a table of its own (\`partition\`) and \`notify\`, \`useListenNotify\`; \`work\` with \`batchSize\` ${BATCH}, as many \`localConcurrency\` as make the concurrency, \`burstWhenBatchFull\`, and for the graph ` +
    '`transactional`: the statuses of a batch, the jobs that became ready and the completion are one transaction, one statement each for the whole batch',
  async open({ address }, concurrency) {
    const fetchers = Math.max(1, Math.round(concurrency / BATCH));
    const boss = new PgBoss({ ...clientConfig(address), max: fetchers * 2 + 4, useListenNotify: true });
    const errors: Error[] = [];
    boss.on('error', (error) => errors.push(error));
    await boss.start();
    if ((await boss.getQueue(QUEUE)) === null) await boss.createQueue(QUEUE, { notify: true, partition: true });
    const options = { batchSize: Math.min(BATCH, concurrency), localConcurrency: fetchers, burstWhenBatchFull: true };
    return {
      async add(items) {
        for (let at = 0; at < items.length; at += INSERTED_AT_ONCE) await boss.insert(QUEUE, items.slice(at, at + INSERTED_AT_ONCE).map((data) => ({ data })));
      },
      async work(run) {
        await boss.work(QUEUE, options, async (jobs: Job<Item>[]) => void (await Promise.all(jobs.map(async ({ data }) => run(data)))));
      },
      async workGraph(run) {
        await boss.work(QUEUE, { ...options, transactional: true }, async (jobs: Job<Item>[], tx) => {
          await Promise.all(jobs.map(async ({ data }) => run(data)));
          const { rows } = await tx.executeSql('select subject_id::integer as subject, task_id as task from finish_entries($1::bigint[], $2::smallint[])', [
            jobs.map(({ data }) => data.subject), jobs.map(({ data }) => data.task),
          ]);
          if (rows.length > 0) await boss.insert(QUEUE, (rows as Item[]).map((data) => ({ data })), { db: tx });
        });
      },
      async hasLeft() {
        if (errors.length > 0) throw errors[0]!;
        const { rows } = await boss.getDb().executeSql(`select exists (select from pgboss.job where name = $1 and state < 'completed') as has_left`, [QUEUE]);
        return (rows as { has_left: boolean }[])[0]!.has_left;
      },
      close: () => boss.stop({ graceful: true, timeout: 5_000 }),
    };
  },
};
