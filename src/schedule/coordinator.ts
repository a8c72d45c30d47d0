import type { RunCoordinator } from 'node-cron';
import type { Tick } from './tick.ts';

/** A coordinator that also hands out the tick of a slot that was won. */
export interface SlotCoordinator extends RunCoordinator {
  /** The tick of a slot that `shouldRun` said yes to, once. */
  taken(slot: Date): Tick | undefined;
}

/**
 * Lets node-cron ask the schedule's row, before it runs a slot, whether this daemon is the one. A database that does not
 * answer means no: node-cron logs it and leaves the slot out.
 *
 * There is no `onComplete`: one statement writes the end of the tick and frees the row, when the handler is done.
 *
 * @param name what node-cron puts before the slot in its keys (`name:2026-01-01T00:00:00.000Z`); may have colons itself
 * @param take takes the slot, or says undefined
 */
export function slotCoordinator(name: string, take: (slot: Date) => Promise<Tick | undefined>): SlotCoordinator {
  const ticks = new Map<number, Tick>();
  return {
    async shouldRun(key) {
      const slot = new Date(key.slice(name.length + 1));
      const tick = await take(slot);
      if (tick !== undefined) ticks.set(slot.getTime(), tick);
      return tick !== undefined;
    },
    taken(slot) {
      const tick = ticks.get(slot.getTime());
      ticks.delete(slot.getTime());
      return tick;
    },
  };
}
