import { statement, type Hot, type Run } from '../db/hot.ts';
import { claim, claimOne, type ClaimedEntry, type Claimer, type ClaimTask } from './claim.ts';
import { retryDeadlock } from './retry-deadlock.ts';
import { limitsOf } from './room.ts';

/** What came of a claim that had to ask for room. */
export interface LimitedClaim {
  entries: ClaimedEntry[];
  /** Undefined where the limits left all the room that was asked for. */
  heldBack?: {
    /** What limits, for people. */
    by: string;
    /** Seconds until it is worth asking again; undefined where an attempt has to end first, which says so. */
    againInSeconds: number | undefined;
  };
}

/**
 * Claims like {@link claim}, but no more than the task's concurrency over all daemons, and its resources' concurrency, rate
 * and breaker leave room for. The rows of the limits are locked, counted and claimed under in one transaction, so that no
 * limit is ever exceeded, whoever claims at the same time.
 */
export async function claimLimited(hot: Hot, task: ClaimTask, by: Claimer, limit: number, among?: readonly string[]): Promise<LimitedClaim> {
  return retryDeadlock(() => hot.transaction(async (run) => {
    const room = await roomFor(run, task.id, limit);
    if (room.entries === 0) return { entries: [], heldBack: room.heldBack };
    const entries = await claim(run, task, by, room.entries, among);
    if (entries.length > 0) await run(TAKE, [task.id, entries.length]);
    return entries.length === room.entries && room.heldBack !== undefined ? { entries, heldBack: room.heldBack } : { entries };
  }));
}

/** Claims one given entry like {@link claimOne}, if the limits leave room for it. */
export async function claimOneLimited(hot: Hot, task: ClaimTask, by: Claimer, subjectId: string, attempt: number): Promise<LimitedClaim> {
  return retryDeadlock(() => hot.transaction(async (run) => {
    const { entries: room, heldBack } = await roomFor(run, task.id, 1);
    if (room === 0) return { entries: [], heldBack };
    const entry = await claimOne(run, task, by, subjectId, attempt);
    if (entry === undefined) return { entries: [] };
    await run(TAKE, [task.id, 1]);
    return { entries: [entry] };
  }));
}

/** How many entries of a task its limits would let in now; when they are claimed they are asked again. */
export async function roomLeft(hot: Hot, taskId: number, wanted: number): Promise<{ entries: number; heldBack?: LimitedClaim['heldBack'] }> {
  return retryDeadlock(() => hot.transaction((run) => roomFor(run, taskId, wanted)));
}

/** Wakes the tasks that share a limit with this one, as room has come free. */
export async function wakeSharers(run: Run, taskId: number): Promise<void> {
  await run(WAKE, [taskId]);
}

interface Room {
  entries: number;
  heldBack?: LimitedClaim['heldBack'];
}

interface LockedResource {
  name: string;
  units: number;
  concurrency: number | null;
  per_minute: number | null;
  state: 'closed' | 'open';
  open_seconds: number | null;
}

async function roomFor(run: Run, taskId: number, wanted: number): Promise<Room> {
  const resources = await run<LockedResource>(LOCK_RESOURCES, [taskId]);
  const [task] = await run<{ concurrency: number | null }>(LOCK_TASK, [taskId]);
  const names = resources.map(({ name }) => name);
  // Statements of their own: they see what was committed while we waited for the locks.
  const [used] = await run<{ own: number; units: Record<string, number> | null; attempts: Record<string, number> | null }>(COUNT, [taskId, names]);
  const rates = new Map((await run<Rate>(RATES, [names])).map((rate) => [rate.resource, rate]));
  const limits = limitsOf({
    concurrency: task?.concurrency ?? null, running: used!.own,
    resources: resources.map(({ name, units, concurrency, per_minute: perMinute, state, open_seconds: openSeconds }) => ({
      name, units, concurrency, perMinute, state, openSeconds, usedUnits: used!.units?.[name] ?? 0, attempts: used!.attempts?.[name] ?? 0,
      startedUnits: rates.get(name)?.units ?? 0, nextSeconds: rates.get(name)?.next_seconds ?? null,
    })),
  });
  const rooms = limits.map(({ entries, by, againInSeconds }): Room => ({ entries, heldBack: { by, againInSeconds } }));
  const tightest = rooms.reduce<Room>((one, other) => (other.entries < one.entries ? other : one), { entries: wanted });
  return { ...tightest, entries: Math.max(0, tightest.entries) };
}

interface Rate {
  resource: string;
  units: number;
  /** Seconds until the oldest start is a minute old. */
  next_seconds: number;
}

const LOCK_RESOURCES = statement(`
select r.name, u.units, r.concurrency, r.per_minute, r.state, extract(epoch from r.open_until - clock_timestamp())::float8 as open_seconds
  from task_use u
  join resource r on r.name = u.resource
 where u.task_id = $1
 order by r.name
   for update of r`);

const LOCK_TASK = statement(`select concurrency from task where id = $1 and concurrency is not null for no key update`);

const COUNT = statement(`
with running as (
  select u.resource, sum(u.units * r.n)::int as units, sum(r.n)::int as attempts
    from task_use u
   cross join lateral (select count(*)::int as n from task_register where task_id = u.task_id and status_id = 2) r
   where u.resource = any ($2)
   group by u.resource)
select (select count(*)::int from task_register where task_id = $1 and status_id = 2) as own,
       (select jsonb_object_agg(resource, units) from running) as units,
       (select jsonb_object_agg(resource, attempts) from running) as attempts`);

const RATES = statement(`
select resource, sum(units)::int as units, extract(epoch from min(at) + interval '1 minute' - clock_timestamp())::float8 as next_seconds
  from resource_start
 where resource = any ($1) and at > clock_timestamp() - interval '1 minute'
 group by resource`);

// The starts of the last minute are the rate's whole memory.
const TAKE = statement(`
with old as (
  delete from resource_start s using task_use u
   where u.task_id = $1 and s.resource = u.resource and s.at <= clock_timestamp() - interval '1 minute')
insert into resource_start (resource, at, units)
select u.resource, clock_timestamp(), u.units * $2::int
  from task_use u
  join resource r on r.name = u.resource
 where u.task_id = $1 and r.per_minute is not null`);

const WAKE = statement(`
select pg_notify('afterglow_ready', task_id::text) from (
  select $1::int as task_id
  union
  select o.task_id from task_use u join task_use o on o.resource = u.resource where u.task_id = $1) woken`);
