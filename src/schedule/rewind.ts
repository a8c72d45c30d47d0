import { statement, type Hot } from '../db/hot.ts';
import { planOf, type Ledger } from './ledger.ts';
import { countSlots, newestSlots } from './slots.ts';

/** A ledger further ahead of the database's clock than this was written before that clock was set back, seconds. */
export const AHEAD_SECONDS = 60;

/**
 * After the database's clock was set back, lets a schedule go on from the present instant: slots that were recorded as missed
 * and are yet to come are open again. Those that were fired stay so; their second time is passed over.
 *
 * @returns whether the ledger was that far ahead
 */
export async function rewind(hot: Hot, runner: string, ledger: Ledger): Promise<boolean> {
  return hot.transaction(async (run) => {
    const [row] = await run<{ accounted_to: Date }>(REWIND, [runner, AHEAD_SECONDS]);
    if (row === undefined) return false;
    const now = row.accounted_to;
    const plan = planOf(ledger);
    for (const { id, slot } of await run<{ id: string; slot: Date }>(STRADDLING, [runner, now.toISOString()])) {
      const stretch = plan && { plan, after: new Date(slot.getTime() - 1), until: now };
      await run(CUT, [id, stretch && newestSlots(stretch, 1)[0]?.toISOString(), stretch && Math.max(1, countSlots(stretch))]);
    }
    return true;
  });
}

const REWIND = statement(`
with back as (
  update schedule
     set accounted_to = date_trunc('milliseconds', clock_timestamp())
   where runner = $1 and accounted_to > clock_timestamp() + $2 * interval '1 second'
  returning runner, accounted_to),
gone as (
  delete from tick t
   using back b
   where t.runner = b.runner and t.outcome = 'missed' and t.slot > b.accounted_to)
select accounted_to from back`);

const STRADDLING = statement(`
select id, slot from tick where runner = $1 and outcome = 'missed' and slot <= $2::timestamptz and last_slot > $2::timestamptz`);

const CUT = statement(`
update tick set last_slot = coalesce($2::timestamptz, slot), slots = coalesce($3::integer, 1) where id = $1`);
