import { statement, type Hot } from '../db/hot.ts';
import type { Json } from '../runner/outcome.ts';
import type { Plan } from './plan.ts';
import { SCHEDULE_CHANNEL } from './stored-schedule.ts';

/** Why a runner was woken as a whole: its schedule, a slot of it that was missed, the daemon's start, the last open entry's end, or somebody's wish. */
export type TickCause = 'schedule' | 'catch-up' | 'start' | 'idle' | 'person';

/** The causes that are no slot. */
export type UnplannedCause = Exclude<TickCause, 'schedule' | 'catch-up'>;

/** How a tick may end for the daemon that ran it; a lost one is `rescued` by whoever comes next. */
export type TickOutcome = 'finished' | 'failed' | 'timed out' | 'released';

/** A tick that this daemon has taken: until it is ended, nobody else has one of the same runner. */
export interface Tick {
  /** The row's id; it fences everything that is written about the tick. */
  id: string;
  runner: string;
  cause: TickCause;
  /** The slot that it is for; where it is for none, when it was taken. */
  slot: Date;
}

/** Who takes ticks, and for how long before it must say again that it lives. */
export interface TickTaker {
  daemonId: number;
  /** Seconds. */
  leaseSeconds: number;
}

/** How a tick ended, ready to be written. JSON is free of what jsonb cannot hold. */
export interface TickEnding {
  outcome: TickOutcome;
  wallSeconds: number;
  cpuSeconds?: number;
  entries?: number;
  result?: Json;
  error?: Json;
  log?: Json;
}

/**
 * Whether the runner of a `schedule s` is free. Its row is the lease: whoever moves it from free to taken has the tick, which is
 * `tick_id`. It is free when it was never taken, when its last tick ended, when that tick's lease ran out, or when its daemon is
 * known to be gone. Whoever takes a row over marks the lost tick `rescued`, so that a late end of it writes nothing. All times
 * are the database's.
 */
export const IS_FREE = `
(s.lease_until is null or s.finished_at is not null or s.lease_until < clock_timestamp()
 or exists (select from daemon d where d.id = s.owner and d.stopped_at is not null))`;

/** Marks the tick of every schedule of `free` that did not end. */
export const MARK_LOST = `
lost as (
  update tick t
     set ended_at = clock_timestamp(), outcome = 'rescued',
         error = jsonb_build_object(
           'name', 'LeaseLostError', 'code', 'LEASE_LOST',
           'message', 'The daemon that ran this tick is gone or did not renew its lease.')
    from free f
   where t.id = f.tick_id and t.ended_at is null)`;

/**
 * Takes a tick that is no slot, whether the schedule is on or off. A runner without a row in the schedule table has no lease,
 * and always gets its tick.
 *
 * @returns undefined while a tick of this runner is under way anywhere
 */
export async function takeNow(hot: Hot, runner: string, cause: UnplannedCause, by: TickTaker): Promise<Tick | undefined> {
  const [row] = await hot.run<{ id: string; slot: string | Date }>(TAKE_NOW, [runner, cause, by.daemonId, by.leaseSeconds]);
  return row === undefined ? undefined : { id: row.id, runner, cause, slot: new Date(row.slot) };
}

const TAKE_NOW = statement(`
with free as materialized (
  select s.runner, s.tick_id
    from schedule s
   where s.runner = $1 and ${IS_FREE}
     for update of s),
${MARK_LOST},
allowed as (
  select runner from free
  union all
  select $1 where not exists (select from schedule where runner = $1)),
begun as (
  insert into tick (runner, slot, cause, daemon_id, started_at)
  select runner, clock_timestamp(), $2, $3, clock_timestamp() from allowed
  returning id, runner, slot),
taken as (
  update schedule s
     set owner = $3, lease_until = clock_timestamp() + $4 * interval '1 second', finished_at = null, tick_id = b.id
    from begun b
   where s.runner = b.runner)
select id, slot from begun`);

/**
 * Prolongs a tick's lease.
 *
 * @returns whether the tick is still ours
 */
export async function renewTick(hot: Hot, tick: Tick, by: TickTaker): Promise<boolean> {
  const rows = await hot.run(RENEW, [tick.id, tick.runner, by.daemonId, by.leaseSeconds]);
  return rows.length > 0;
}

const RENEW = statement(`
with ours as materialized (
  select id from tick where id = $1 and ended_at is null),
renewed as (
  update schedule s
     set lease_until = clock_timestamp() + $4 * interval '1 second'
    from ours o
   where s.runner = $2 and s.owner = $3 and s.tick_id = o.id and s.finished_at is null)
select id from ours`);

/** A tick and how it ended. */
export interface EndedTick {
  tick: Tick;
  ending: TickEnding;
  /** The plan that fired it, for the time of the next slot; undefined where none did. */
  plan?: Plan;
}

/**
 * Writes how ticks ended and frees their runners, in one statement. A slot that is handed back is open again, unless its
 * runner's policy is to skip what is missed; other daemons are told.
 *
 * @param now the instant after which the next slots are looked for
 * @returns the ids of those that were still ours; nothing was written of the others
 */
export async function endTicks(hot: Hot, ended: readonly EndedTick[], now: Date): Promise<Set<string>> {
  const rows = ended.map(({ tick, ending, plan }) => ({
    id: tick.id, runner: tick.runner, ...ending, pattern: plan?.pattern, time_zone: plan?.timeZone, next_at: plan?.next(now),
  }));
  const written = await hot.run<{ id: string }>(END, [JSON.stringify(rows)]);
  return new Set(written.map(({ id }) => id));
}

// Schedules are locked first, and in their order, as by those who take them. They may be gone: the runner was removed while it ran.
const END = statement(`
with given as materialized (
  select *
    from jsonb_to_recordset($1::jsonb) as g(
      id bigint, runner text, outcome text, entries integer, "wallSeconds" double precision, "cpuSeconds" double precision,
      result jsonb, error jsonb, log jsonb, pattern text, time_zone text, next_at timestamptz)),
held as materialized (
  select s.runner
    from schedule s
   where s.runner in (select runner from given)
   order by s.runner
     for update of s),
ended as (
  update tick t
     set ended_at = clock_timestamp(), outcome = g.outcome, entries = g.entries, wall_seconds = g."wallSeconds", cpu_seconds = g."cpuSeconds",
         result = g.result, error = g.error, log = g.log
    from given g
   cross join (select count(*) from held) h
   where t.id = g.id and t.ended_at is null
  returning t.id, t.runner, t.slot, t.cause, t.outcome),
handed as (
  select e.runner, e.slot - interval '1 millisecond' as open_after
    from ended e
    join schedule s on s.runner = e.runner
   where e.outcome = 'released' and e.cause in ('schedule', 'catch-up') and s.missed_slots <> 'skip'),
freed as (
  update schedule s
     set finished_at = case when s.tick_id = g.id then clock_timestamp() else s.finished_at end, ticks = s.ticks + 1,
         accounted_to = case when s.tick_id = g.id and s.accounted_to = s.slot then coalesce(h.open_after, s.accounted_to) else s.accounted_to end,
         next_at = case when s.enabled and s.pattern = g.pattern and s.time_zone = g.time_zone then g.next_at else s.next_at end
    from ended e
    join given g on g.id = e.id
    left join handed h on h.runner = e.runner
   where s.runner = g.runner),
told as (
  select count(pg_notify('${SCHEDULE_CHANNEL}', runner)) from handed)
select id from ended cross join told`);
