import type { EntityManager } from '@mikro-orm/postgresql';
import type { Json } from '../runner/outcome.ts';
import type { Plan } from './plan.ts';

/** Why a runner was woken as a whole: its schedule, the daemon's start, the last open entry's end, or somebody's wish. */
export type TickCause = 'schedule' | 'start' | 'idle' | 'person';

/** How a tick may end for the daemon that ran it; a lost one is `rescued` by whoever comes next. */
export type TickOutcome = 'finished' | 'failed' | 'timed out' | 'released';

/** A tick that this daemon has taken: until it is ended, nobody else has one of the same runner. */
export interface Tick {
  /** The row's id; it fences everything that is written about the tick. */
  id: string;
  runner: string;
  cause: TickCause;
  /** The slot that it is for; for other causes than the schedule, when it was taken. */
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

/*
 * The schedule's row is the lease of its runner: whoever moves it from free to taken has the tick, and the newest row of
 * `tick` is that tick. It is free when it was never taken, when its last tick ended, when that tick's lease ran out, or when
 * its daemon is known to be gone. Whoever takes a row over marks the lost tick `rescued`, so that a late end of it writes
 * nothing. All times are the database's.
 */
const IS_FREE = `
(s.lease_until is null or s.finished_at is not null or s.lease_until < clock_timestamp()
 or exists (select from daemon d where d.id = s.owner and d.stopped_at is not null))`;

const MARK_LOST = `
lost as (
  update tick t
     set ended_at = clock_timestamp(), outcome = 'rescued',
         error = jsonb_build_object(
           'name', 'LeaseLostError', 'code', 'LEASE_LOST',
           'message', 'The daemon that ran this tick is gone or did not renew its lease.')
    from free f
   where t.id = (select max(id) from tick where runner = f.runner) and t.ended_at is null)`;

/**
 * Takes a slot of a schedule, if no daemon has fired it or a later one, none is at a tick of this runner, the schedule is on,
 * and the plan is still the one in force.
 *
 * A slot may lie a minute in the future, for machines whose clocks go fast. A fired slot that lies further off was
 * fired by a clock that has been set back since, and does not count.
 *
 * @returns undefined where the slot is not ours
 */
export async function takeSlot(em: EntityManager, runner: string, plan: Plan, slot: Date, by: TickTaker): Promise<Tick | undefined> {
  const at = slot.toISOString();
  const [row] = await em.execute<{ id: string }[]>(TAKE_SLOT, [
    runner, plan.pattern, plan.timeZone, at, at, at, at, by.daemonId, by.leaseSeconds, plan.next(slot)?.toISOString() ?? null, at, by.daemonId,
  ]);
  return row === undefined ? undefined : { id: row.id, runner, cause: 'schedule', slot };
}

const TAKE_SLOT = `
with free as materialized (
  select s.runner
    from schedule s
   where s.runner = ? and s.enabled and s.pattern = ? and s.time_zone = ?
     and ?::timestamptz < clock_timestamp() + interval '1 minute'
     and (s.slot is null or s.slot < ?::timestamptz or s.slot > clock_timestamp() + interval '1 minute')
     and ${IS_FREE}
     and not exists (select from tick t where t.runner = s.runner and t.slot = ?::timestamptz and t.cause = 'schedule')
     for update of s),
${MARK_LOST},
taken as (
  update schedule s
     set slot = ?::timestamptz, owner = ?, lease_until = clock_timestamp() + ? * interval '1 second', finished_at = null, next_at = ?::timestamptz
    from free f
   where s.runner = f.runner
  returning s.runner)
insert into tick (runner, slot, cause, daemon_id, started_at)
select runner, ?::timestamptz, 'schedule', ?, clock_timestamp() from taken
returning id`;

/**
 * Takes a tick that is no slot, whether the schedule is on or off. A runner without a row in the schedule table has no lease,
 * and always gets its tick.
 *
 * @returns undefined while a tick of this runner is under way anywhere
 */
export async function takeNow(em: EntityManager, runner: string, cause: Exclude<TickCause, 'schedule'>, by: TickTaker): Promise<Tick | undefined> {
  const [row] = await em.execute<{ id: string; slot: string | Date }[]>(TAKE_NOW, [
    runner, by.daemonId, by.leaseSeconds, runner, runner, cause, by.daemonId,
  ]);
  return row === undefined ? undefined : { id: row.id, runner, cause, slot: new Date(row.slot) };
}

const TAKE_NOW = `
with free as materialized (
  select s.runner
    from schedule s
   where s.runner = ? and ${IS_FREE}
     for update of s),
${MARK_LOST},
taken as (
  update schedule s
     set owner = ?, lease_until = clock_timestamp() + ? * interval '1 second', finished_at = null
    from free f
   where s.runner = f.runner
  returning s.runner),
allowed as (
  select runner from taken
  union all
  select ?::text where not exists (select from schedule where runner = ?))
insert into tick (runner, slot, cause, daemon_id, started_at)
select runner, clock_timestamp(), ?, ?, clock_timestamp() from allowed
returning id, slot`;

/**
 * Prolongs a tick's lease.
 *
 * @returns whether the tick is still ours
 */
export async function renewTick(em: EntityManager, tick: Tick, by: TickTaker): Promise<boolean> {
  const rows = await em.execute<object[]>(RENEW, [tick.id, by.leaseSeconds, tick.runner, by.daemonId]);
  return rows.length > 0;
}

const RENEW = `
with ours as materialized (
  select id from tick where id = ? and ended_at is null),
renewed as (
  update schedule s
     set lease_until = clock_timestamp() + ? * interval '1 second'
    from ours
   where s.runner = ? and s.owner = ? and s.finished_at is null)
select id from ours`;

/**
 * Writes how a tick ended and frees its runner, in one statement.
 *
 * @param plan the plan that it was fired by, for the time of the next slot; undefined for other causes
 * @param now the instant after which the next slot is looked for
 * @returns false where the tick was no longer ours; then nothing was written
 */
export async function endTick(em: EntityManager, tick: Tick, ending: TickEnding, plan: Plan | undefined, now: Date): Promise<boolean> {
  const { outcome, entries = null, wallSeconds, cpuSeconds = null, result, error, log } = ending;
  const [resultJson, errorJson, logJson] = [result, error, log].map((value) => (value === undefined ? null : JSON.stringify(value)));
  const rows = await em.execute<object[]>(END, [
    tick.runner,
    outcome, entries, wallSeconds, cpuSeconds, resultJson, errorJson, logJson, tick.id,
    plan?.pattern ?? null, plan?.timeZone ?? null, plan?.next(now)?.toISOString() ?? null, tick.runner,
  ]);
  return rows.length > 0;
}

// The schedule's row is locked first, as by those who take it. It may be gone: the runner was removed while it ran.
const END = `
with held as materialized (
  select s.runner from schedule s where s.runner = ? for update),
ended as (
  update tick t
     set ended_at = clock_timestamp(), outcome = ?, entries = ?::integer, wall_seconds = ?::double precision, cpu_seconds = ?::double precision,
         result = ?::jsonb, error = ?::jsonb, log = ?::jsonb
    from (select count(*) from held) h
   where t.id = ? and t.ended_at is null
  returning t.id),
freed as (
  update schedule s
     set finished_at = clock_timestamp(), ticks = s.ticks + 1,
         next_at = case when s.enabled and s.pattern = ?::text and s.time_zone = ?::text then ?::timestamptz else s.next_at end
    from ended e
   where s.runner = ?)
select id from ended`;
