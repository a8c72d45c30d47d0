import { statement, type Hot } from '../db/hot.ts';
import { IS_FREE, MARK_LOST } from './tick.ts';

/** Ticks for one slot that are lost with their daemons before it is left: it may be what kills them. */
const MOST_LOST = 3;

/**
 * Marks ticks as rescued whose daemon is gone or did not renew its lease, and frees their runners. Their slots are open again,
 * unless the runner's policy is to skip what is missed.
 *
 * @returns the runners
 */
export async function rescueTicks(hot: Hot, runners: readonly string[]): Promise<string[]> {
  const rows = await hot.run<{ runner: string }>(RESCUE, [runners, MOST_LOST]);
  return rows.map(({ runner }) => runner);
}

const RESCUE = statement(`
with free as materialized (
  select s.runner, s.tick_id
    from schedule s
   where s.runner = any ($1::text[]) and s.finished_at is null and s.lease_until is not null and ${IS_FREE}
   order by s.runner
     for update of s),
${MARK_LOST},
handed as (
  select f.runner, t.slot - interval '1 millisecond' as open_after
    from free f
    join tick t on t.id = f.tick_id and t.ended_at is null and t.cause in ('schedule', 'catch-up')
   where (select count(*)
            from (select * from tick k where k.runner = f.runner order by k.id desc limit 20) k
           where k.slot = t.slot and k.outcome = 'rescued') < $2 - 1)
update schedule s
   set finished_at = clock_timestamp(),
       accounted_to = case when s.missed_slots <> 'skip' and s.accounted_to = s.slot then coalesce(h.open_after, s.accounted_to) else s.accounted_to end
  from free f
  left join handed h on h.runner = f.runner
 where s.runner = f.runner
returning s.runner`);
