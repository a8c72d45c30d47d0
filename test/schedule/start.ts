import { onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { createScheduler, type Scheduler, type SchedulerOptions } from '../../src/schedule/scheduler.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import type { Tick } from '../../src/schedule/tick.ts';
import { listeningLog, ScheduledRunner, type GivenRunner } from './given.ts';

/** What the schedulers of a test fired, and promises of what they will. */
export class Fired {
  readonly ticks: { daemonId: number; tick: Tick }[] = [];
  #waiting: (() => void)[] = [];

  add(daemonId: number, tick: Tick): void {
    this.ticks.push({ daemonId, tick });
    for (const wake of this.#waiting.splice(0)) wake();
  }

  of(runner: string): Tick[] {
    return this.ticks.map(({ tick }) => tick).filter((tick) => tick.runner === runner);
  }

  /** Resolves when a runner has ticked so many times more. */
  async more(runner: string, count: number): Promise<Tick> {
    const wanted = this.of(runner).length + count;
    while (this.of(runner).length < wanted) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.of(runner).at(-1)!;
  }
}

/** Started schedulers. */
export interface Started {
  fired: Fired;
  schedulers: Scheduler[];
  lines: string[];
  /** Stops them; resolves when nothing of theirs runs. */
  stop: () => Promise<void>;
}

/** Schedulers as in so many daemons; `onTick` may hold a tick. They are stopped when the test is over. */
export async function startSchedulers(database: Database, count: number, given: readonly GivenRunner[], options: Partial<SchedulerOptions> = {}): Promise<Started> {
  const fired = new Fired();
  const { log, lines } = listeningLog();
  const runners = given.map((runner) => new ScheduledRunner(runner));
  await syncSchedules(database.em(), runners, systemClock);
  const schedulers = Array.from({ length: count }, (_, n) =>
    createScheduler({
      database, runners, daemonId: n + 1, clock: systemClock, log, ...options,
      onTick: (runner, tick) => {
        fired.add(n + 1, tick);
        return options.onTick?.(runner, tick);
      },
    }),
  );
  const stop = async () => {
    await Promise.all(schedulers.map((scheduler) => scheduler.stop()));
    await Promise.all(schedulers.map((scheduler) => scheduler.settled()));
  };
  onTestFinished(stop);
  await Promise.all(schedulers.map((scheduler) => scheduler.start()));
  return { fired, schedulers, lines, stop };
}

/** A runner whose ticks tell the time: so many of them, and so much of it has passed. */
export const METRONOME: GivenRunner = { taskName: 'Metronome', schedule: 0.1 };

/** A promise that a test fulfils. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}
