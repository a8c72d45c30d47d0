import type { Hot } from '../db/hot.ts';
import { deliver } from '../engine/deliver.ts';
import { letGo } from '../engine/due.ts';
import { MOST_AT_ONCE, rescue, type RescuedEntry } from '../engine/rescue.ts';
import type { Logger } from '../log.ts';
import type { Spool } from '../spool/spool.ts';
import { bury, look } from './look.ts';

const SAID = { rescue: 'rescued', 'give up': 'rescued too often, given up', cancel: 'its daemon is gone, and it was to be cancelled: cancelled' } as const;

/** Who takes care, and of what. */
export interface Carer {
  hot: Hot;
  spool: Spool;
  daemonId: number;
  actor: string;
  leaseSeconds: number;
  log: Logger;
}

/**
 * Delivers what dead processes left in the spool, takes back what dead daemons left, and lets go what is due.
 *
 * @returns seconds until something is due next; null where nothing is
 */
export async function takeCare({ hot, spool, daemonId, actor, leaseSeconds, log }: Carer): Promise<number | null> {
  // Before the rescue: what is delivered need not be run again.
  await deliver(hot, spool, log);
  const { dead, expired, due, nextDueSeconds } = await look(hot.run, daemonId);
  if (dead.length > 0) await bury(hot.run, dead);
  let rescued: RescuedEntry[] = [];
  if (expired || dead.length > 0) {
    do {
      rescued = await rescue(hot, actor, dead, leaseSeconds);
      for (const { task, subject, attempt, cause } of rescued) log.warn({ task, subject, attempt }, SAID[cause]);
    } while (rescued.length === MOST_AT_ONCE);
  }
  if (due) await letGo(hot.run);
  return nextDueSeconds;
}
