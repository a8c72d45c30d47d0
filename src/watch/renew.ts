import { statement, type Run } from '../db/hot.ts';

/** What a daemon says of itself with every beat. */
export interface Beat {
  daemonId: number;
  running: number;
  rssBytes: number;
  /** Processor seconds per second since the last beat. */
  cpuLoad: number;
  /** This machine's clock minus the database's, seconds; null while it is not known. */
  clockSkewSeconds: number | null;
  /** Why it is not well, whole sentences. */
  troubles: readonly string[];
}

/** An attempt whose lease is to be prolonged. */
export interface Renewed {
  subjectId: string;
  taskId: number;
  attempt: number;
  /** 0…1; undefined where nothing new was said. */
  progress: number | undefined;
}

/** What came of a renewal. `databaseMs` is the Unix time by the database's clock. */
export interface Renewal<T> {
  databaseMs: number;
  /** No longer ours: rescued, or reset by a person. */
  lost: T[];
  /** Ours, but somebody was changing the entry at that moment, so that its lease is as it was. */
  skipped: T[];
  /** Renewed or skipped, and a person wants them stopped. */
  cancelled: { attempt: T; by: string; reason: string }[];
}

/**
 * Prolongs the leases that are still ours, stores the progress and beats the daemon's heart, in one statement; without
 * attempts it only beats. It waits for nobody: an entry that is locked is passed over, for it may be locked by one of our own
 * attempts whose commit has to wait until the main loop turns again, and must not keep the others from being renewed.
 */
export async function renew<T extends Renewed>(run: Run, beat: Beat, leaseSeconds: number, held: readonly T[]): Promise<Renewal<T>> {
  const me = [beat.daemonId, beat.running, Math.round(beat.rssBytes), beat.cpuLoad, beat.clockSkewSeconds, beat.troubles];
  if (held.length === 0) {
    const [row] = await run<{ now: number }>(BEAT, me);
    return { databaseMs: row?.now ?? NaN, lost: [], skipped: [], cancelled: [] };
  }
  const given = held.map(({ subjectId, taskId, attempt, progress }, place) => ({ place, subject_id: subjectId, task_id: taskId, attempt, progress }));
  const rows = await run<Row>(RENEW, [...me, JSON.stringify(given), leaseSeconds]);
  const found = rows.filter(({ place }) => place !== null).map((row) => ({ ...row, attempt: held[row.place!]! }));
  return {
    databaseMs: rows[0]!.now,
    lost: found.filter(({ ours }) => !ours).map(({ attempt }) => attempt),
    skipped: found.filter(({ ours, renewed }) => ours && !renewed).map(({ attempt }) => attempt),
    cancelled: found.filter(({ ours, reason }) => ours && reason !== null).map(({ attempt, by, reason }) => ({ attempt, by: by ?? 'somebody', reason: reason! })),
  };
}

/**
 * Prolongs the leases of claims whose answer the main loop has not read yet, because it stands still: they are ours, and nobody
 * has told the thread of them.
 *
 * @param silentSeconds for how long the main loop has not turned; claims that are older are somebody's mistake, and left to the rescue
 * @param known the attempts that the thread was told of
 */
export async function renewUnread(run: Run, daemonId: number, leaseSeconds: number, silentSeconds: number, known: readonly Omit<Renewed, 'progress'>[]): Promise<void> {
  const given = known.map(({ subjectId, taskId, attempt }) => ({ subject_id: subjectId, task_id: taskId, attempt }));
  await run(RENEW_UNREAD, [daemonId, leaseSeconds, silentSeconds + MARGIN_SECONDS, JSON.stringify(given)]);
}

/**
 * Prolongs the ticks of this daemon, which the main loop would do if it turned; those whose lease is over are left to others.
 *
 * @param only the one runner that is meant; undefined for all
 */
export async function renewTicks(run: Run, daemonId: number, leaseSeconds: number, only: string | undefined): Promise<void> {
  await run(RENEW_TICKS, [daemonId, leaseSeconds, only ?? null]);
}

/** A claim is made a moment before the main loop could have read of it. */
const MARGIN_SECONDS = 5;

interface Row {
  now: number;
  place: number | null;
  renewed: boolean;
  ours: boolean;
  reason: string | null;
  by: string | null;
}

// A row that says that the daemon has stopped is left alone: the answer to the last beat may come after the goodbye.
const beatSql = `
  update daemon
     set heartbeat_at = clock_timestamp(), running = $2, rss_bytes = $3, cpu_load = $4, clock_skew_seconds = $5, troubles = $6
   where id = $1 and stopped_at is null`;

const BEAT = statement(`
with beat as (${beatSql})
select (extract(epoch from clock_timestamp()) * 1000)::float as now`);

// What comes back is what needs a word: lost, skipped, cancelled. In the ordinary case that is one row with the time alone.
const RENEW = statement(`
with beat as (${beatSql}),
held as materialized (
  select *
    from jsonb_to_recordset($7::jsonb) as h(place integer, subject_id bigint, task_id integer, attempt integer, progress real)),
free as materialized (
  select r.subject_id, r.task_id, r.attempt, h.progress
    from held h
    join task_register r on r.subject_id = h.subject_id and r.task_id = h.task_id
   where r.attempt = h.attempt and r.status_id = 2
     for no key update of r skip locked),
renewed as (
  update task_register r
     set lease_until = clock_timestamp() + $8 * interval '1 second'
    from free f
   where r.subject_id = f.subject_id and r.task_id = f.task_id),
shown as (
  update attempt a
     set progress = f.progress
    from free f
   where f.progress is not null and a.subject_id = f.subject_id and a.task_id = f.task_id and a.attempt = f.attempt and a.ended_at is null),
told as (
  select h.place, f.subject_id is not null as renewed, r.subject_id is not null as ours, r.cancel_reason, r.cancelled_by
    from held h
    left join free f on f.subject_id = h.subject_id and f.task_id = h.task_id and f.attempt = h.attempt
    left join task_register r on r.subject_id = h.subject_id and r.task_id = h.task_id and r.attempt = h.attempt and r.status_id = 2
   where f.subject_id is null or r.cancel_reason is not null)
select (extract(epoch from clock_timestamp()) * 1000)::float as now, t.place, t.renewed, t.ours, t.cancel_reason as reason, t.cancelled_by as by
  from (select) one
  left join told t on true`);

const RENEW_UNREAD = statement(`
with known as materialized (
  select * from jsonb_to_recordset($4::jsonb) as k(subject_id bigint, task_id integer, attempt integer)),
unread as materialized (
  select r.subject_id, r.task_id
    from task_register r
   where r.status_id = 2 and r.lease_owner = $1 and r.last_modified > clock_timestamp() - $3 * interval '1 second'
     and not exists (select from known k where k.subject_id = r.subject_id and k.task_id = r.task_id and k.attempt = r.attempt)
     for no key update of r skip locked)
update task_register r
   set lease_until = clock_timestamp() + $2 * interval '1 second'
  from unread u
 where r.subject_id = u.subject_id and r.task_id = u.task_id`);

const RENEW_TICKS = statement(`
with mine as materialized (
  select s.runner
    from schedule s
   where s.owner = $1 and s.finished_at is null and s.lease_until > clock_timestamp() and ($3::text is null or s.runner = $3)
     for no key update of s skip locked)
update schedule s
   set lease_until = greatest(s.lease_until, clock_timestamp() + $2 * interval '1 second')
  from mine m
 where s.runner = m.runner`);
