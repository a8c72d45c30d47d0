import { statement, type Hot } from '../db/hot.ts';
import type { Decision } from './decide.ts';
import { erasAfter, type Ledger } from './ledger.ts';
import { toStanding, type Standing, type StandingColumns } from './look.ts';
import { SCHEDULE_COLUMNS } from './stored-schedule.ts';
import { IS_FREE, MARK_LOST, type Tick, type TickTaker } from './tick.ts';

/** What becomes of the slots of one runner, and what that was decided by. */
export interface Move {
  runner: string;
  /** The runner's; while another daemon has a newer one, nothing is moved. */
  version: number;
  /** As it was known. */
  ledger: Ledger;
  decision: Decision;
  /** The next slot, for people. */
  nextAt: Date | undefined;
  /** For a single slot, decided without a look: it counts only if the runner was free at its time, and no tick before it was lost. */
  unseen?: boolean;
}

/** What became of a {@link Move}. */
export interface Accounted {
  /** The schedule as it was before the move. */
  standing: Standing;
  /** False where the ledger had been moved, the plan changed, the runner was not free, or it came too late: then nothing was written. */
  moved: boolean;
  /** The tick, if one was to be run and the slot had none yet. */
  tick: Tick | undefined;
  /** A newer version of the runner has been at work on the database: its slots are for daemons that have it. */
  isOutdated: boolean;
}

/** The database's clock may be this much behind what we take it to be. */
const AHEAD_SECONDS = 0.1;

/**
 * Accounts for slots of any number of runners, each once over all daemons: records what was missed, and takes the tick of the
 * slot that is to be run. It is a compare and set on the ledger in the schedule's row.
 *
 * @param deadline by the database's clock; if the statement comes to its turn only later, it writes nothing
 * @returns by runner; one whose row is gone is not there
 */
export async function account(hot: Hot, moves: readonly Move[], by: TickTaker, deadline: Date): Promise<{ nowMs: number | undefined; done: Map<string, Accounted> }> {
  const wanted = moves.map(({ runner, version, ledger, decision, nextAt, unseen = false }) => ({
    runner, version, pattern: ledger.inForce.pattern, time_zone: ledger.inForce.timeZone, earlier: ledger.earlier, accounted_to: ledger.accountedTo,
    move_to: decision.accountedTo, keep: erasAfter(ledger.earlier, decision.accountedTo), next_at: nextAt, unseen,
    run: decision.run?.slot, cause: decision.run?.cause, reason: decision.run?.reason,
    missed: decision.missed.map(({ slot, lastSlot, slots, reason }) => ({ slot, last_slot: lastSlot, slots, reason })),
  }));
  const rows = await hot.run<AccountRow>(ACCOUNT, [JSON.stringify(wanted), by.daemonId, by.leaseSeconds, deadline.toISOString(), AHEAD_SECONDS]);
  const done = rows.map((row): [string, Accounted] => {
    const { slot, cause } = moves.find(({ runner }) => runner === row.runner)!.decision.run ?? {};
    const tick = row.begun === null || slot === undefined || cause === undefined ? undefined : { id: row.begun, runner: row.runner, cause, slot };
    return [row.runner, { standing: toStanding(row), moved: row.moved, tick, isOutdated: row.outdated }];
  });
  return { nowMs: rows[0]?.now_ms, done: new Map(done) };
}

interface AccountRow extends StandingColumns {
  now_ms: number;
  moved: boolean;
  outdated: boolean;
  begun: string | null;
}

/*
 * `held` waits for others who are at the same rows and then has what they wrote, so that who comes second learns how things
 * stand. Rows are locked in the order of their names, by everybody. A slot that has a tick already (its time came twice, because a
 * clock was set back) is accounted for without another one.
 */
const ACCOUNT = statement(`
with wanted as materialized (
  select *
    from jsonb_to_recordset($1::jsonb) as w(
      runner text, version integer, pattern text, time_zone text, earlier jsonb, accounted_to timestamptz, move_to timestamptz, keep jsonb,
      next_at timestamptz, unseen boolean, run timestamptz, cause text, reason text, missed jsonb)),
held as materialized (
  select ${SCHEDULE_COLUMNS}, s.lease_until, s.finished_at, s.owner, s.tick_id, ${IS_FREE} as free,
         exists (select from task t join wanted w on w.runner = t.name where t.name = s.runner and t.runner_version > w.version) as outdated
    from schedule s
   where s.runner in (select runner from wanted)
   order by s.runner
     for update of s),
free as materialized (
  select w.*, h.tick_id
    from held h
    join wanted w on w.runner = h.runner
   where h.free and not h.outdated and h.enabled and h.pattern = w.pattern and h.time_zone = w.time_zone
     and date_trunc('milliseconds', h.accounted_to) = w.accounted_to and h.earlier = w.earlier
     and (not w.unseen or h.lease_until is null or h.finished_at <= w.run)
     and w.move_to <= clock_timestamp() + $5 * interval '1 second'
     and clock_timestamp() < $4),
${MARK_LOST},
noted as (
  insert into tick (runner, slot, last_slot, slots, cause, outcome, reason, daemon_id, started_at, ended_at)
  select f.runner, m.slot, m.last_slot, m.slots, 'schedule', 'missed', m.reason, $2, clock_timestamp(), clock_timestamp()
    from free f
   cross join jsonb_to_recordset(f.missed) as m(slot timestamptz, last_slot timestamptz, slots integer, reason text)
      on conflict do nothing),
begun as (
  insert into tick (runner, slot, cause, reason, daemon_id, started_at)
  select runner, run, cause, reason, $2, clock_timestamp() from free where run is not null
      on conflict do nothing
  returning id, runner),
moved as (
  update schedule s
     set accounted_to = f.move_to, earlier = f.keep, next_at = f.next_at,
         slot = case when b.id is null then s.slot else f.run end,
         owner = case when b.id is null then s.owner else $2 end,
         lease_until = case when b.id is null then s.lease_until else clock_timestamp() + $3 * interval '1 second' end,
         finished_at = case when b.id is null then s.finished_at end,
         tick_id = coalesce(b.id, s.tick_id)
    from free f
    left join begun b on b.runner = f.runner
   where s.runner = f.runner)
select (extract(epoch from clock_timestamp()) * 1000)::double precision as now_ms, s.*, f.runner is not null as moved, b.id as begun
  from held s
  left join free f on f.runner = s.runner
  left join begun b on b.runner = s.runner
 order by s.runner`);
