import type { Database } from '../../src/db/database.ts';
import type { Plan } from '../../src/schedule/plan.ts';
import { slotsOf } from '../../src/schedule/slots.ts';

interface Row {
  id: string;
  slot: Date;
  last_slot: Date | null;
  slots: number;
  cause: string;
  outcome: string;
  reason: string | null;
}

/** How the slots of a runner were accounted for. */
export interface Account {
  fired: number;
  caughtUp: number;
  /** By reason. */
  missed: Record<string, number>;
  /** Slots that have no row, or more than one, and rows that no slot is for; sentences. */
  wrong: string[];
}

/** Holds the slots of a plan after an instant, up to and including another, against the rows that there are for them. */
export async function accountOf(database: Database, runner: string, plan: Plan, after: Date, until: Date): Promise<Account> {
  const rows = await database.em().execute<Row[]>(
    `select id, slot, last_slot, slots, cause, outcome, reason from tick where runner = ? and cause in ('schedule', 'catch-up') order by slot`, [runner],
  );
  const account: Account = { fired: 0, caughtUp: 0, missed: {}, wrong: [] };
  const times = new Map(slotsOf({ plan, after, until }).map((slot) => [slot.getTime(), 0]));
  const [lost, kept] = [[] as Row[], [] as Row[]];
  for (const row of rows) (row.outcome === 'released' || row.outcome === 'rescued' ? lost : kept).push(row);
  const add = ({ slot, last_slot, slots, cause, outcome, reason }: Row) => {
    const [first, last] = [new Date(slot), new Date(last_slot ?? slot)];
    if (last <= after || first > until) return;
    const covered = slotsOf({ plan, after: new Date(first.getTime() - 1), until: last });
    if (covered.length !== slots) account.wrong.push(`a row says ${slots} slots from ${first.toISOString()} to ${last.toISOString()}, there are ${covered.length}`);
    for (const one of covered) times.set(one.getTime(), (times.get(one.getTime()) ?? 0) + 1);
    if (outcome === 'missed') account.missed[reason!] = (account.missed[reason!] ?? 0) + slots;
    else if (cause === 'catch-up') account.caughtUp += 1;
    else account.fired += 1;
  };
  kept.forEach(add);
  // Handed back or lost: the slot may have become something else after that, also more than once.
  for (const row of lost) if (times.get(new Date(row.slot).getTime()) === 0) add(row);
  for (const [ms, count] of times) {
    if (count !== 1) account.wrong.push(`the slot ${new Date(ms).toISOString()} is accounted for ${count} times`);
  }
  return account;
}
