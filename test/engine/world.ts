import { pino } from 'pino';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { syncGraph } from '../../src/db/sync-graph.ts';
import { LocalEngine } from '../../src/engine/engine.ts';
import type { Engine } from '../../src/engine/port.ts';
import type { EngineOptions, EngineTask } from '../../src/engine/engine-options.ts';
import type { Logger } from '../../src/log.ts';
import type { Prerequisites } from '../../src/runner/prerequisites.ts';
import type { RetryPolicy } from '../../src/runner/retry-policy.ts';
import type { StatusMachine } from '../../src/status/machine.ts';
import { BUILT_IN, INITIAL, PROCESSING, type Status } from '../../src/status/status.ts';
import type { Script, ScriptedRunner } from './scripted-runner.ts';

/** A task of a test's world; what is left out is as plain as can be. */
export interface GivenTask {
  /** `{ task: status }`. */
  needs?: Prerequisites;
  /** The status that it is claimed from. */
  from?: string;
  failed?: string;
  returns?: readonly string[];
  /** Seconds, in the fixtures' row. */
  limit?: number;
  kind?: string;
  active?: boolean;
  /** What its runner does, unless the test tells it something else for a subject; without: it returns `processed`. */
  does?: Script;
  wakes?: 'at once' | 'on schedule';
  retry?: Partial<RetryPolicy>;
  /** Resources must be in the world's `resources`. */
  uses?: Readonly<Record<string, number>>;
  concurrency?: number;
  requires?: readonly string[];
}

/** A resource that tasks use. */
export interface GivenResource {
  name: string;
  concurrency?: number;
  perMinute?: number;
  /** Failures in a row that open its breaker. */
  failures?: number;
  coolSeconds?: number;
}

/** Everything of an entry that tests look at. */
export interface EntryRow {
  status: string;
  unmet: number;
  attempt: number;
  setbacks: number;
  held: boolean;
  failure: string | null;
  reason: string | null;
  waits_for: string | null;
  cancel_reason: string | null;
  lease_owner: number | null;
  lease_seconds: number | null;
  due_seconds: number | null;
  warning: string | null;
  cause: string;
  actor: string;
  wall_seconds: number | null;
}

/** An attempt as it is kept. */
export interface AttemptRow {
  attempt: number;
  daemon_id: number;
  runner_version: number;
  outcome: string;
  failure: string | null;
  retry_seconds: number | null;
  status: string | null;
  wall_seconds: number | null;
  cpu_seconds: number | null;
  progress: number | null;
  result: unknown;
  warning: string | null;
  cost: number | null;
  error: { name: string; message: string; stack?: string; code?: string; [field: string]: unknown } | null;
  log: { at: string; level: string; message: string; fields?: unknown }[] | null;
  ended: boolean;
}

/** The statuses of every world beside the built-in ones. */
export const STATUSES: readonly Status[] = [
  ...BUILT_IN.map(({ message, type }) => ({ message, type })),
  { message: 'processed', type: 'success' },
  { message: 'failed', type: 'error' },
  { message: 'no host', type: 'error' },
  { message: 'needs a look', type: 'warning' },
];

/** Tasks, statuses, runners and entries in a database, and engines that work on them. */
export class World<Name extends string = string> {
  readonly database: Database;
  readonly machine: StatusMachine;
  readonly #engines: Engine[] = [];
  readonly #runners: ReadonlyMap<Name, ScriptedRunner>;
  statusIds: ReadonlyMap<string, number> = new Map();
  /** In the order of the given tasks. */
  tasks: readonly EngineTask[] = [];

  constructor(database: Database, machine: StatusMachine, runners: ReadonlyMap<Name, ScriptedRunner>) {
    this.database = database;
    this.machine = machine;
    this.#runners = runners;
  }

  /** Makes the database's graph equal to that of the runners, which a test may have changed. */
  async sync() {
    const em = this.database.em();
    const report = await syncGraph(em, this.machine, [...this.#runners.values()]);
    this.statusIds = new Map((await em.execute<{ id: number; message: string }[]>(`select id, message from status order by id`)).map(({ id, message }) => [message, id]));
    const rows = await em.execute<{ id: number; name: string; kind: string; claim_from_id: number; time_limit_seconds: number | null }[]>(`select * from task order by id`);
    this.tasks = rows.map((row) => ({
      id: row.id, name: row.name, kind: row.kind, claimFromId: row.claim_from_id, timeLimitSeconds: row.time_limit_seconds,
      claimFrom: [...this.statusIds].find(([, id]) => id === row.claim_from_id)![0], runner: this.runner(row.name as Name),
    }));
    return report;
  }

  runner(task: Name): ScriptedRunner {
    return this.#runners.get(task)!;
  }

  get runners(): readonly ScriptedRunner[] {
    return [...this.#runners.values()];
  }

  task(name: Name): EngineTask {
    return this.tasks.find((task) => task.name === name)!;
  }

  /** Adds transients, or objects of another kind; ids in the order of the names. */
  async add(...subjects: readonly (string | { name: string; at?: string | null; priority?: number; kind?: string; data?: object })[]): Promise<string[]> {
    const rows = subjects.map((subject) => ({ at: null, priority: 0, kind: 'transient', data: {}, ...(typeof subject === 'string' ? { name: subject } : subject) }));
    const added = await this.database.em().execute<{ id: string }[]>(
      `with given as materialized (
         select * from jsonb_array_elements(?::jsonb) with ordinality as g(row, place)),
       added as (
         insert into subject (kind, name, public_timestamp, priority, data)
         select row->>'kind', row->>'name', (row->>'at')::timestamptz, (row->>'priority')::integer, row->'data' from given order by place
         returning id, kind),
       sky as (
         insert into transient (subject_id, ra_deg, dec_deg) select id, 150, 2 from added where kind = 'transient')
       select id from added order by id`,
      [JSON.stringify(rows)],
    );
    return added.map(({ id }) => id);
  }

  /** Puts an entry into a status by the causes that lead there: `load` from an untouched one, a claim for `processing`. */
  async put(subject: string, task: Name, status: string, lease: { owner?: number; seconds?: number } = {}): Promise<void> {
    const em = this.database.em();
    const found = await this.entry(subject, task);
    if (found.status === status) return;
    if (found.status !== INITIAL) await this.#move(subject, task, INITIAL, 'reset');
    if (status === PROCESSING) {
      await this.#move(subject, task, this.task(task).claimFrom, 'load');
      await em.execute(
        `with claimed as (
           update task_register r set status_id = 2, cause = 'claim', actor = 'given', attempt = attempt + 1, lease_owner = ?, lease_until = clock_timestamp() + ? * interval '1 second'
            where (subject_id, task_id) = (select s.id, t.id from subject s, task t where s.name = ? and t.name = ?)
           returning *)
         insert into attempt (subject_id, task_id, attempt, daemon_id, runner_version) select subject_id, task_id, attempt, lease_owner, 1 from claimed`,
        [lease.owner ?? 0, lease.seconds ?? 3600, subject, task],
      );
    } else if (status !== INITIAL) await this.#move(subject, task, status, 'load');
  }

  async #move(subject: string, task: string, status: string, cause: string): Promise<void> {
    await this.database.em().execute(
      `update task_register set status_id = ?, cause = ?, actor = 'given', lease_owner = null, lease_until = null
        where (subject_id, task_id) = (select s.id, t.id from subject s, task t where s.name = ? and t.name = ?)`,
      [this.statusIds.get(status)!, cause, subject, task],
    );
  }

  async entry(subject: string, task: Name): Promise<EntryRow> {
    const [row] = await this.database.em().execute<EntryRow[]>(
      `select st.message as status, r.*, extract(epoch from r.lease_until - clock_timestamp())::float as lease_seconds,
              extract(epoch from r.due_at - clock_timestamp())::float as due_seconds
         from task_register r join subject s on s.id = r.subject_id join task t on t.id = r.task_id join status st on st.id = r.status_id
        where s.name = ? and t.name = ?`,
      [subject, task],
    );
    return row!;
  }

  /** Status by subject, of one task. */
  async statuses(task: Name): Promise<Record<string, string>> {
    const rows = await this.database.em().execute<{ name: string; status: string }[]>(
      `select s.name, st.message as status from task_register r join subject s on s.id = r.subject_id join task t on t.id = r.task_id join status st on st.id = r.status_id
        where t.name = ? order by s.id`,
      [task],
    );
    return Object.fromEntries(rows.map(({ name, status }) => [name, status]));
  }

  async attempts(subject: string, task: Name): Promise<AttemptRow[]> {
    return this.database.em().execute<AttemptRow[]>(
      `select a.*, st.message as status, a.ended_at is not null as ended, extract(epoch from a.retry_at - clock_timestamp())::float as retry_seconds
         from attempt a join subject s on s.id = a.subject_id join task t on t.id = a.task_id left join status st on st.id = a.status_id
        where s.name = ? and t.name = ? order by a.attempt`,
      [subject, task],
    );
  }

  /** `cause: from > to`, oldest first. */
  async transitions(subject: string, task: Name): Promise<string[]> {
    const rows = await this.database.em().execute<{ text: string }[]>(
      `select x.cause || ': ' || f.message || ' > ' || g.message as text
         from transition x join subject s on s.id = x.subject_id join task t on t.id = x.task_id join status f on f.id = x.from_id join status g on g.id = x.to_id
        where s.name = ? and t.name = ? order by x.id`,
      [subject, task],
    );
    return rows.map(({ text }) => text);
  }

  /** What runners wrote into the table `note`. */
  async notes(): Promise<string[]> {
    return (await this.database.em().execute<{ text: string }[]>(`select text from note order by text`)).map(({ text }) => text);
  }

  /** An engine on this world's tasks, with what it says. It is stopped when the test is over. */
  engine(options: Partial<EngineOptions> = {}, make: (options: EngineOptions) => Engine = (whole) => new LocalEngine(whole)): TestEngine {
    const { log, lines } = listeningLog();
    const daemonId = options.daemonId ?? 1;
    const engine = make({
      fork: () => this.database.em(), hot: this.database.hot, tasks: this.tasks, machine: this.machine, statusIds: this.statusIds, daemonId, actor: `daemon ${daemonId}`,
      random: () => 0, concurrency: 4, leaseSeconds: 60, folders: { data: '/nowhere', products: '/nowhere/products' }, clock: systemClock, log, ...options,
    });
    this.#engines.push(engine);
    const waiting = new Set<() => void>();
    engine.onQuiet(() => {
      for (const resolve of waiting) resolve();
      waiting.clear();
    });
    const quiet = async () => {
      while (!engine.quiet) await new Promise<void>((resolve) => waiting.add(resolve));
    };
    return {
      engine, lines, quiet,
      async work() {
        let before: number;
        do {
          before = engine.ended;
          await engine.wake();
          await quiet();
        } while (engine.ended > before);
      },
    };
  }

  /** Stops the engines. */
  async end(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.stop(0)));
  }
}

export interface TestEngine {
  engine: Engine;
  /** What it logged. */
  lines: LogLine[];
  /** Resolves when nothing is claimed and no claim is on its way. */
  quiet(): Promise<void>;
  /** Wakes it again and again until it finds nothing more to do: there is no daemon that would hear of new work. */
  work(): Promise<void>;
}

export interface LogLine {
  level: number;
  msg: string;
  [field: string]: unknown;
}

/** A log that keeps what it is told. */
export function listeningLog(): { log: Logger; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const log = pino({ level: 'debug', base: null, serializers: { err: pino.stdSerializers.err } }, { write: (text: string) => void lines.push(JSON.parse(text) as LogLine) });
  return { log, lines };
}
