import type { Logger } from '../log.ts';
import type { Tick } from './tick.ts';

/** Fires the slots of one plan until it is stopped. */
export interface SlotTimer {
  /** No slot is fired any more, and no timer is left; a tick that runs is not waited for. */
  stop(): void;
}

/** What a timer does at a slot. */
export interface SlotActs {
  /** The runner's name. */
  name: string;
  /** Takes the slot for this daemon; undefined where it is not ours. May reject. */
  take: (slot: Date) => Promise<Tick | undefined>;
  /** Runs a tick that was taken; never rejects. */
  run: (tick: Tick) => Promise<unknown>;
  log: Logger;
}

/**
 * The seam for policies about slots that nobody fired: the machine slept, or was busy for longer than the plan's step, or no
 * daemon ran. They are not caught up, because the next tick looks at everything that is eligible anyway.
 */
export function missed(name: string, first: Date, last: Date, log: Logger): void {
  log.debug(`"${name}": the slots from ${first.toISOString()} to ${last.toISOString()} passed unfired; they are not caught up.`);
}
