import { openDatabase, type Database } from '../../src/db/database.ts';
import { RefusedError } from '../../src/errors.ts';
import { TransientTaskRunner } from '../../src/runner/runner.ts';
import { statuses } from '../blast17.ts';
import { storeGraph, type StoredGraph } from '../graph.ts';
import type { BenchServer } from '../server.ts';
import { fillRegister, roomyDatabase } from './fill.ts';

/** Entries that are eligible where few are. */
export const FEW = 50;
/** The share of all entries that is eligible where many are. */
export const MANY = 0.3;

/** A task of the register that claims are measured on: `done` says in SQL which transients `n` (1, 2, …) are through with it. */
interface ScaleTask {
  name: string;
  /** Whether registers of more than a million have it too; they have few tasks, so that they fit on a disk. */
  everywhere?: true;
  needs: readonly string[];
  done: (transients: number) => string;
}

const all = () => 'true';
const none = () => 'false';
const few = (transients: number) => `n % ${transients / FEW} = 1`;

/** Each scenario has a task of its own, so that one register holds them all. */
const TASKS: readonly ScaleTask[] = [
  { name: 'done for all', everywhere: true, needs: [], done: all },
  { name: 'done for few', everywhere: true, needs: [], done: few },
  { name: 'done for many', needs: [], done: () => `n % 10 < ${MANY * 10}` },
  { name: 'done for none', needs: [], done: none },
  { name: 'few, blocked', everywhere: true, needs: ['done for all', 'done for few'], done: none },
  { name: 'none, after few', everywhere: true, needs: ['few, blocked'], done: none },
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

const MANY_TASKS_UP_TO = 1_000_000;

/** The tasks of a register of that size. */
const tasksAt = (transients: number) => TASKS.filter(({ everywhere }) => everywhere === true || transients <= MANY_TASKS_UP_TO);

/** How many tasks a transient has in a register of that size. */
export const taskCount = (transients: number): number => tasksAt(transients).length;

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

/** Bytes on disk that a transient, and each of its entries, takes while it is loaded: table, indexes, the sort for them. */
const BYTES_PER_TRANSIENT = 700;
const BYTES_PER_ENTRY = 450;
/** What else has to be free: the log of the database and room to breathe. */
const BYTES_BESIDE = 2 ** 31;

/** @throws {RefusedError} the registers do not fit on the disk, or a size does not divide up as the scenarios need it */
export async function assertPossible(server: BenchServer, sizes: readonly number[]): Promise<void> {
  const wrong = sizes.filter((size) => !Number.isInteger(size) || size < 500 || size % 500 !== 0);
  if (wrong.length > 0) throw new RefusedError(`A register must have a multiple of 500 transients, at least 500; found ${wrong.join(', ')}.`);
  const free = await server.freeBytes();
  const needed = sizes.reduce((sum, size) => sum + size * (BYTES_PER_TRANSIENT + taskCount(size) * BYTES_PER_ENTRY), BYTES_BESIDE);
  if (free !== undefined && free < needed) {
    const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
    throw new RefusedError(
      `Registers of ${sizes.join(', ')} transients need about ${gigabytes(needed)} of disk, ${gigabytes(free)} are free in ${server.folder}. ` +
        'Set TMPDIR to a folder with more, or give smaller sizes with --transients.',
    );
  }
}

/** Makes a register of so many transients with the tasks that are measured at that size. */
export async function loadRegister(server: BenchServer, transients: number): Promise<Register> {
  const started = performance.now();
  const database = await openDatabase(await roomyDatabase(server));
  const em = database.em();
  const tasks = tasksAt(transients);
  const graph = await storeGraph(em, { statuses, runners: tasks.map((task) => new NeverRun(task)), tasks: tasks.map(fixture) });
  const done = (name: string) => tasks.find((task) => task.name === name)!.done(transients);
  await fillRegister(em, transients, graph.statusIds.get('processed')!, tasks.map(({ name, needs }) => ({
    id: graph.tasks.find((task) => task.name === name)!.id,
    done: done(name),
    unmet: ['0', ...needs.map((need) => `(not (${done(need)}))::integer`)].join(' + '),
  })));
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
