/**
 * A process with a scheduler, for the tests: says `<runner> <slot>` on standard output at every tick, and `stopped` when it
 * was told to stop (SIGTERM). It never calls process.exit: it ends when nothing keeps it.
 *
 * Arguments: the daemon's id, and the runners as JSON; the ticks of a runner called `Endless` never end, those of one
 * called `Busy` take up to 2.5 s.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/clock.ts';
import { openDatabase } from '../../src/db/database.ts';
import { createLog } from '../../src/log.ts';
import { createScheduler } from '../../src/schedule/scheduler.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { ScheduledRunner, type GivenRunner } from './given.ts';

const [daemonId, given] = [Number(process.argv[2]), JSON.parse(process.argv[3]!) as GivenRunner[]];
const runners = given.map((runner) => new ScheduledRunner(runner));
const database = await openDatabase({ url: process.env.DATABASE_URL! });
await syncSchedules(database.em(), runners, systemClock);
const scheduler = createScheduler({
  database, runners, daemonId, clock: systemClock, log: createLog('plain', 'warn'), leaseSeconds: 1,
  onTick: (runner, { slot }) => {
    process.stdout.write(`${runner.taskName} ${slot.toISOString()}\n`);
    if (runner.taskName === 'Endless') return new Promise<void>(() => {});
    if (runner.taskName === 'Busy') return delay(Math.random() * 2500);
  },
});
process.once('SIGTERM', () => void stop());
await scheduler.start();
process.stdout.write('started\n');

async function stop(): Promise<void> {
  await scheduler.stop();
  await scheduler.settled();
  await database.close();
  process.stdout.write('stopped\n');
}
