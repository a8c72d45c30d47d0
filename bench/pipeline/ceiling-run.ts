import pg from 'pg';
import type { DatabaseAddress } from '../../src/db/database.ts';
import { clientConfig, type BenchServer } from '../server.ts';
import { DeliveryError } from './delivery-error.ts';
import { commitsOf, commitsSettled, measured, type Run } from './measured.ts';

/** Rows that one statement claims at most. */
const BATCH = 100;

/**
 * What the same database can do at the very most with a status table: as many rows as the pipeline has entries, claimed and
 * finished a hundred at a time by two statements, each committed durably. There are no prerequisites, no trigger, no log, no
 * attempts, no leases, no ORM and no runner.
 *
 * @throws {DeliveryError} a row was lost or done twice
 */
export async function runCeiling(server: BenchServer, rows: number, connections: number): Promise<Run> {
  await server.checkpoint();
  const address = await server.create();
  const clients = Array.from({ length: connections }, () => clientOf(address));
  try {
    await Promise.all(clients.map((client) => client.connect()));
    for (const statement of prepare(rows)) await clients[0]!.query(statement);
    const finished: string[] = [];
    const before = await commitsOf(server.admin, address);
    const usage = await measured(server, async () => {
      await Promise.all(clients.map((client) => work(client, finished)));
    });
    await assertAllDone(clients[0]!, finished, rows);
    await Promise.all(clients.map((client) => client.end()));
    return { ...usage, transactions: (await commitsSettled(server, address)) - before };
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
    await server.drop(address);
  }
}

async function work(client: pg.Client, finished: string[]): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ id: string }>({ name: 'claim', text: CLAIM, values: [BATCH] });
    if (rows.length === 0) return;
    const ids = rows.map(({ id }) => id);
    await client.query({ name: 'finish', text: FINISH, values: [ids] });
    finished.push(...ids);
  }
}

async function assertAllDone(client: pg.Client, finished: readonly string[], rows: number): Promise<void> {
  const { rows: left } = await client.query<{ count: string }>('select count(*) as count from entry where status_id <> 4');
  const problems = [
    ...(finished.length === rows && new Set(finished).size === rows ? [] : [`${new Set(finished).size} rows of ${rows} finished in ${finished.length} ends`]),
    ...(left[0]!.count === '0' ? [] : [`${left[0]!.count} rows left open`]),
  ];
  if (problems.length > 0) throw new DeliveryError(problems);
}

const prepare = (rows: number) => [
  'create table entry (id bigint primary key, status_id smallint not null default 1, last_modified timestamptz not null default now()) with (fillfactor = 85)',
  `insert into entry (id) select n from generate_series(1, ${Number(rows)}) n`,
  'create index ready on entry (id) where status_id = 1',
  'vacuum analyze entry',
];

const CLAIM = `
update entry e
   set status_id = 2, last_modified = clock_timestamp()
 where id in (select id from entry where status_id = 1 order by id limit $1 for update skip locked)
returning id`;

const FINISH = `
update entry
   set status_id = 4, last_modified = clock_timestamp()
 where id = any ($1::bigint[])`;

function clientOf(address: DatabaseAddress): pg.Client {
  const client = new pg.Client(clientConfig(address));
  // A lost connection fails the statement that is under way; without a listener it would end the process.
  client.on('error', () => {});
  return client;
}
