import type { EntityManager } from '@mikro-orm/postgresql';

/** A daemon that has been silent for longer does not count as alive, seconds: three leases of the usual length. A living one is heard of every 10 s, however long its leases are. */
const SILENT_SECONDS = 60;

/** Holds for the row `d` of a daemon that is alive. */
export const IS_ALIVE = `(d.stopped_at is null and d.heartbeat_at > clock_timestamp() - interval '${SILENT_SECONDS} s')`;

/** A daemon or worker, as the database knows it. */
export interface DaemonReport {
  id: number;
  /** A worker claims and runs; a daemon has the schedules, the system runners and mostly the pages too. */
  role: 'daemon' | 'worker';
  /** `silent`: nothing is heard of it and it has not said goodbye, so it was killed, is frozen, or its network is down. `stopped`: it has, or others found it dead. */
  state: 'alive' | 'silent' | 'stopped';
  host: string;
  pid: number;
  version: string;
  labels: string[];
  /** Attempts that run now, and how many may at once. */
  running: number;
  concurrency: number;
  /** Resident memory; null before the first beat. */
  rssBytes: number | null;
  /** Processor seconds per second: 1 is one core. */
  cpuLoad: number | null;
  /** Its machine's clock minus the database's, seconds. */
  clockSkewSeconds: number | null;
  /** What carries the attempts. */
  engine: 'local' | 'bullmq';
  /** Why it is not well, by what it said last, whole sentences. A daemon whose main loop stands still says so here. */
  troubles: string[];
  /** The tasks that it does not qualify for now, or keys of them; 20 at most. */
  unqualified: UnqualifiedTask[];
  startedAt: Date;
  heartbeatAt: Date;
  stoppedAt: Date | null;
  /** Since it was last heard of, by the database's clock. */
  silentSeconds: number;
  upSeconds: number;
}

/** What a daemon does not qualify for, by the qualifiers of its runner. */
export interface UnqualifiedTask {
  task: string;
  /** The key of jobs, or the object; null for the task as a whole. */
  key: string | null;
  /** A whole sentence. */
  reason: string;
}

/** `It does not qualify for "Night": The setting "night" is not set.` */
export function describeUnqualified({ task, key, reason }: UnqualifiedTask): string {
  return `It does not qualify for "${task}"${key === null ? '' : ` (${key})`}: ${reason}`;
}

/** The daemons that are alive, then those that have gone within the last day, the latest first; 200 at most. */
export async function readDaemons(em: EntityManager): Promise<DaemonReport[]> {
  const rows = await em.execute<Row[]>(DAEMONS);
  return rows.map((row) => ({
    id: row.id, role: row.role, state: row.state, host: row.host, pid: row.pid, version: row.version, engine: row.engine, labels: row.labels, running: row.running, concurrency: row.concurrency,
    rssBytes: row.rss_bytes === null ? null : Number(row.rss_bytes), cpuLoad: row.cpu_load, clockSkewSeconds: row.clock_skew_seconds, troubles: row.state === 'stopped' ? [] : row.troubles,
    unqualified: row.state === 'alive' ? row.unqualified : [],
    startedAt: new Date(row.started_at), heartbeatAt: new Date(row.heartbeat_at), stoppedAt: row.stopped_at === null ? null : new Date(row.stopped_at),
    silentSeconds: row.silent_seconds, upSeconds: row.up_seconds,
  }));
}

/** A task that nobody can run: no living daemon has all the labels that it requires. */
export interface UnservedTask {
  task: string;
  requires: string[];
}

/** The active tasks that require labels which no living daemon has, in the order of the fixtures. */
export async function unservedTasks(em: EntityManager): Promise<UnservedTask[]> {
  return em.execute<UnservedTask[]>(UNSERVED);
}

/** `"Fit" requires "gpu", which no living daemon has.` */
export function describeUnserved({ task, requires }: UnservedTask): string {
  const labels = requires.map((label) => `"${label}"`).join(' and ');
  return `"${task}" requires ${labels}, which no living daemon has.`;
}

interface Row extends Pick<DaemonReport, 'id' | 'role' | 'state' | 'host' | 'pid' | 'version' | 'engine' | 'labels' | 'running' | 'concurrency' | 'troubles' | 'unqualified'> {
  rss_bytes: string | null;
  cpu_load: number | null;
  clock_skew_seconds: number | null;
  started_at: string;
  heartbeat_at: string;
  stopped_at: string | null;
  silent_seconds: number;
  up_seconds: number;
}

const DAEMONS = `
select d.id, d.role, case when d.stopped_at is not null then 'stopped' when ${IS_ALIVE} then 'alive' else 'silent' end as state,
       d.host, d.pid, d.version, d.engine, d.labels, d.running, d.concurrency, d.rss_bytes, d.cpu_load, d.clock_skew_seconds, d.troubles,
       (select coalesce(jsonb_agg(to_jsonb(x)), '[]')
          from (select t.name as task, nullif(u.key, '') as key, u.reason from unqualified u join task t on t.id = u.task_id where u.daemon_id = d.id order by t.id, u.key limit 20) x) as unqualified,
       d.started_at, d.heartbeat_at, d.stopped_at,
       extract(epoch from clock_timestamp() - coalesce(d.stopped_at, d.heartbeat_at))::float8 as silent_seconds,
       extract(epoch from coalesce(d.stopped_at, clock_timestamp()) - d.started_at)::float8 as up_seconds
  from daemon d
 where coalesce(d.stopped_at, d.heartbeat_at) > clock_timestamp() - interval '1 day'
 order by not ${IS_ALIVE}, case when ${IS_ALIVE} then d.id else -d.id end
 limit 200`;

const UNSERVED = `
select t.name as task, t.requires
  from task t
 where t.active and t.requires <> '{}'
   and not exists (select from daemon d where ${IS_ALIVE} and d.labels @> t.requires)
 order by t.id`;
