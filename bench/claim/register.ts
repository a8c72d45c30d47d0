import type { EntityManager } from '@mikro-orm/postgresql';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { RefusedError } from '../../src/errors.ts';
import { TransientTaskRunner } from '../../src/runner/runner.ts';
import { statuses } from '../blast17.ts';
import { storeGraph, type StoredGraph } from '../graph.ts';
import type { BenchServer } from '../server.ts';

/** Entries that are eligible where few are. */
export const FEW = 50;
/** The share of all entries that is eligible where many are. */
export const MANY = 0.3;

/** A task of the register that claims are measured on: `done` says in SQL which transients `n` (1, 2, …) are through with it. */
interface ScaleTask {
  name: string;
  needs: readonly string[];
  done: (transients: number) => string;
}

const all = () => 'true';
const none = () => 'false';
const few = (transients: number) => `n % ${transients / FEW} = 1`;

/** Each scenario has a task of its own, so that one register holds them all. */
const TASKS: readonly ScaleTask[] = [
  { name: 'done for all', needs: [], done: all },
  { name: 'done for few', needs: [], done: few },
  { name: 'done for many', needs: [], done: () => `n % 10 < ${MANY * 10}` },
  { name: 'done for none', needs: [], done: none },
  { name: 'few, blocked', needs: ['done for all', 'done for few'], done: none },
  { name: 'many', needs: ['done for all', 'done for many'], done: none },
  { name: 'none', needs: ['done for all', 'done for none'], done: none },
  { name: 'few, drained', needs: ['done for all'], done: (transients) => `not (${few(transients)})` },
  { name: 'fan-out 0', needs: [], done: none },
  { name: 'fan-out 1', needs: [], done: none },
  { name: 'fan-out 2', needs: [], done: none },
  { name: 'waits for both', needs: ['fan-out 1', 'fan-out 2'], done: none },
  { name: 'waits for the second', needs: ['fan-out 2'], done: none },
  { name: 'alone', needs: [], done: none },
];

/** How many tasks a transient has here. */
export const TASK_COUNT = TASKS.length;

class NeverRun extends TransientTaskRunner {
  readonly schedule = '* * * * *';
  readonly failedStatusMessage = 'failed';
  readonly taskName: string;
  readonly prerequisites: Readonly<Record<string, string>>;

  constructor({ name, needs }: ScaleTask) {
    super();
    this.taskName = name;
    this.prerequisites = Object.fromEntries(needs.map((need) => [need, 'processed']));
  }

  override runProcess(): string {
    return 'processed';
  }
}

/** A register of one size, loaded and at rest. */
export interface Register {
  transients: number;
  database: Database;
  graph: StoredGraph;
  loadSeconds: number;
  /** Bytes: of the index that claims read, and of the register with all its indexes. */
  readyIndexBytes: number;
  registerBytes: number;
}

/** Bytes on disk that one transient with its 14 entries takes while it is loaded: table, indexes, the sort for them. */
const BYTES_PER_TRANSIENT = 7_000;
/** What else has to be free: the log of the database and room to breathe. */
const BYTES_BESIDE = 2 ** 31;

/** @throws {RefusedError} the registers do not fit on the disk, or a size does not divide up as the scenarios need it */
export async function assertPossible(server: BenchServer, sizes: readonly number[]): Promise<void> {
  const wrong = sizes.filter((size) => !Number.isInteger(size) || size < 500 || size % 500 !== 0);
  if (wrong.length > 0) throw new RefusedError(`A register must have a multiple of 500 transients, at least 500; found ${wrong.join(', ')}.`);
  const free = await server.freeBytes();
  const needed = sizes.reduce((sum, size) => sum + size, 0) * BYTES_PER_TRANSIENT + BYTES_BESIDE;
  if (free !== undefined && free < needed) {
    const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
    throw new RefusedError(
      `Registers of ${sizes.join(', ')} transients need about ${gigabytes(needed)} of disk, ${gigabytes(free)} are free in ${server.folder}. ` +
        'Set TMPDIR to a folder with more, or give smaller sizes with --transients.',
    );
  }
}

/**
 * Makes a register of so many transients × 14 tasks inside the database: triggers are off and indexes absent while it is filled, then
 * all are as a daemon would find them, vacuumed and with statistics. The order of discovery has nothing to do with the order on disk.
 */
export async function loadRegister(server: BenchServer, transients: number): Promise<Register> {
  const started = performance.now();
  const database = await openDatabase(await server.create());
  const em = database.em();
  const graph = await storeGraph(em, { statuses, runners: TASKS.map((task) => new NeverRun(task)), tasks: TASKS.map(fixture) });
  const processed = graph.statusIds.get('processed')!;
  await em.execute(`alter table subject disable trigger user`);
  await em.execute(insertSubjects, [transients]);
  await em.execute(`insert into transient (subject_id, ra_deg, dec_deg, redshift) select n, n % 360, n % 90, 0.05 from generate_series(1, ?::integer) n`, [transients]);
  await em.execute(`alter table subject enable trigger user`);
  const restore = await dropIndexes(em);
  await em.execute(insertEntries(graph, transients, processed));
  for (const statement of restore) await em.execute(statement);
  await em.execute('vacuum (freeze, analyze)');
  await server.checkpoint();
  const [sizes] = await em.execute<{ ready: string; register: string }[]>(
    `select pg_relation_size('ready_1') as ready, pg_total_relation_size('task_register') as register`,
  );
  return {
    transients, database, graph,
    loadSeconds: (performance.now() - started) / 1000,
    readyIndexBytes: Number(sizes!.ready),
    registerBytes: Number(sizes!.register),
  };
}

const fixture = ({ name }: ScaleTask) => ({ name, kind: 'transient', description: '', owner: '', timeLimitSeconds: null, active: true });

// Ten years of discoveries, in an order that is not the order on disk.
const insertSubjects = `
insert into subject (id, kind, name, public_timestamp) overriding system value
select n, 'transient', 'bench' || n, timestamptz '2015-01-01' + (hashint4(n)::bigint & 268435455) * interval '1 second'
  from generate_series(1, ?::integer) n`;

function insertEntries(graph: StoredGraph, transients: number, processed: number): string {
  const id = (name: string) => graph.tasks.find((task) => task.name === name)!.id;
  const done = (name: string) => TASKS.find((task) => task.name === name)!.done(transients);
  const entries = TASKS.map(({ name, needs }) => {
    const unmet = ['0', ...needs.map((need) => `(not (${done(need)}))::integer`)].join(' + ');
    return `(${id(name)}, case when ${done(name)} then ${processed} else 1 end, ${unmet})`;
  });
  return `
insert into task_register (subject_id, task_id, status_id, unmet, attempt, public_timestamp)
select s.id, e.task_id, e.status_id, e.unmet, (e.status_id <> 1)::integer, s.public_timestamp
  from subject s
 cross join lateral (select s.id as n) as row
 cross join lateral (values ${entries.join(',\n')}) as e(task_id, status_id, unmet)`;
}

/** Takes the register's constraints and indexes away. @returns the statements that bring them back */
async function dropIndexes(em: EntityManager): Promise<string[]> {
  const constraints = await em.execute<{ name: string; definition: string }[]>(
    `select conname as name, pg_get_constraintdef(oid) as definition from pg_constraint
      where conrelid = 'task_register'::regclass and contype in ('p', 'f') order by contype desc`,
  );
  const indexes = await em.execute<{ name: string; definition: string }[]>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
      where indrelid = 'task_register'::regclass and not indisprimary`,
  );
  for (const { name } of constraints) await em.execute(`alter table task_register drop constraint ${name}`);
  for (const { name } of indexes) await em.execute(`drop index ${name}`);
  return [
    ...constraints.map(({ name, definition }) => `alter table task_register add constraint ${name} ${definition}`),
    ...indexes.map(({ definition }) => definition),
  ];
}
