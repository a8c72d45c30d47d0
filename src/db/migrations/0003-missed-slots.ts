import { Migration } from '@mikro-orm/migrations';

/**
 * Every slot of a schedule is fired, caught up or recorded as missed, once over all daemons:
 *
 * - `schedule.accounted_to`: all slots up to here are accounted for. Whoever accounts for more moves it by compare and set.
 *   Whole milliseconds, as JavaScript has them.
 * - `schedule.earlier`: the plans that were in force before the present one, as far as slots of theirs are not yet accounted for:
 *   `[{ pattern, timeZone, until }]`, oldest first; a pattern of null stands for a time in which the schedule was off.
 * - `schedule.tick_id`: the tick that the row's lease belongs to.
 * - a slot has one tick, but for those that were handed back by a daemon that stopped, or lost with one that died.
 * - a tick that is `missed` stands for `slots` slots, from `slot` to `last_slot`, or for one where that is null.
 */
export class Migration0003MissedSlots extends Migration {
  override up(): void {
    this.addSql(columns);
  }
}

const columns = `
alter table schedule
  add column accounted_to timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  add column earlier jsonb not null default '[]',
  add column missed_slots text not null default 'skip' check (missed_slots ~ '^(skip|once|all [1-9][0-9]*)$'),
  add column tick_id bigint;
update schedule s
   set accounted_to = date_trunc('milliseconds', coalesce(s.slot, s.accounted_to)),
       tick_id = (select max(k.id) from tick k where k.runner = s.runner);

alter table tick
  add column reason text check (reason in ('busy', 'database away', 'asleep', 'blocked', 'no daemon')),
  add column last_slot timestamptz,
  add column slots integer not null default 1 check (slots > 0),
  drop constraint tick_cause_check,
  add constraint tick_cause_check check (cause in ('schedule', 'catch-up', 'start', 'idle', 'person')),
  drop constraint tick_outcome_check,
  add constraint tick_outcome_check check (outcome in ('running', 'finished', 'failed', 'timed out', 'released', 'rescued', 'missed')),
  add constraint tick_missed_check check (outcome <> 'missed' or reason is not null);
drop index tick_slot;
create unique index tick_slot on tick (runner, slot) where cause in ('schedule', 'catch-up') and outcome not in ('released', 'rescued');
create index tick_late on tick (runner, started_at) where outcome = 'missed' or cause = 'catch-up';
`;
