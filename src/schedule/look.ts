import { statement, type Hot } from '../db/hot.ts';
import type { Evidence } from './decide.ts';
import type { Trouble } from './missed.ts';
import { SCHEDULE_COLUMNS, toSchedule, type ScheduleColumns, type StoredSchedule } from './stored-schedule.ts';
import { IS_FREE, type Tick, type TickCause } from './tick.ts';

/** A schedule as it stands, and whether its runner may be given a tick. */
export interface Standing extends StoredSchedule {
  free: boolean;
  /** Until when the tick under way is its daemon's; null where there was none yet. */
  leaseUntil: Date | null;
  owner: number | null;
  tickId: string | null;
}

/** A schedule as {@link look} finds it. */
export interface Found extends Standing {
  /** Empty where it was not asked for. */
  evidence: Pick<Evidence, 'ticks' | 'fired' | 'troubles'>;
  /** The tick that is under way. */
  tick: Tick | undefined;
}

/** After its last heartbeat a daemon is taken to have lived this long, seconds. */
const HEARTBEAT_SECONDS = 15;

/**
 * Reads schedules, and what explains slots that nobody fired. Locks nothing.
 *
 * @param runners names; all of them where it is left out
 * @returns the database's clock, milliseconds, and schedules by the runner's name; one that has no row is not there
 */
export async function look(hot: Hot, runners: readonly string[] | undefined, options: { evidence: boolean }): Promise<{ nowMs: number; found: Map<string, Found> }> {
  const rows = await hot.run<LookRow>(LOOK, [runners ?? null, options.evidence, HEARTBEAT_SECONDS]);
  const found = rows.filter((row): row is LookRow & StandingColumns => row.runner !== null).map((row): [string, Found] => [row.runner, toFound(row)]);
  return { nowMs: rows[0]!.now_ms, found: new Map(found) };
}

function toFound(row: LookRow & StandingColumns): Found {
  const { runner, tick_id, tick_slot, tick_cause, ticks, fired, daemons } = row;
  return {
    ...toStanding(row),
    tick: tick_id === null || tick_slot === null || tick_cause === null ? undefined : { id: tick_id, runner, slot: tick_slot, cause: tick_cause },
    evidence: {
      ticks: (ticks ?? []).map(([startedMs, endedMs, finished]) => ({ startedMs, endedMs: endedMs ?? Infinity, finished })),
      fired: (fired ?? []).map((at) => new Date(at)),
      troubles: (daemons ?? []).map(([fromMs, untilMs]): Trouble => ({ fromMs, untilMs, reason: 'blocked' })),
    },
  };
}

/** A row of a schedule with its lease, as it comes. */
export interface StandingColumns extends ScheduleColumns {
  free: boolean;
  lease_until: Date | null;
  owner: number | null;
  tick_id: string | null;
}

export function toStanding(row: StandingColumns): Standing {
  return { ...toSchedule(row), free: row.free, leaseUntil: row.lease_until, owner: row.owner, tickId: row.tick_id };
}

interface LookRow extends Omit<StandingColumns, 'runner'> {
  runner: string | null;
  now_ms: number;
  tick_slot: Date | null;
  tick_cause: TickCause | null;
  ticks: [number, number | null, boolean][] | null;
  fired: number[] | null;
  daemons: [number, number][] | null;
}

const ms = (instant: string) => `(extract(epoch from ${instant}) * 1000)::double precision`;

// One row at least, for the time. Of ticks only the newest can reach into the time that is open.
const LOOK = statement(`
select ${ms('clock_timestamp()')} as now_ms, ${SCHEDULE_COLUMNS}, s.lease_until, s.owner, s.tick_id, ${IS_FREE} as free,
       u.slot as tick_slot, u.cause as tick_cause, k.ticks, k.fired, d.daemons
  from (select) always
  left join schedule s on $1::text[] is null or s.runner = any ($1)
  left join tick u on u.id = s.tick_id and u.ended_at is null
  left join lateral (
    select jsonb_agg(jsonb_build_array(${ms('t.started_at')}, ${ms('t.ended_at')}, t.outcome = 'finished') order by t.id)
             filter (where coalesce(t.ended_at, 'infinity') > s.accounted_to) as ticks,
           jsonb_agg(${ms('t.slot')} order by t.slot)
             filter (where t.slot > s.accounted_to and t.cause in ('schedule', 'catch-up') and t.outcome not in ('released', 'rescued')) as fired
      from (select * from tick t where $2 and t.runner = s.runner order by t.id desc limit 200) t
     where t.outcome <> 'missed') k on true
  left join lateral (
    select jsonb_agg(jsonb_build_array(${ms('o.started_at')}, ${ms('o.seen_at')})) as daemons
      from (select d.id, d.started_at, least(d.stopped_at, d.heartbeat_at + $3 * interval '1 second') as seen_at from daemon d where d.role = 'daemon') o
     where $2 and o.seen_at > s.accounted_to) d on true
 order by s.runner`);
