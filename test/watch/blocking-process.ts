/**
 * A process with a daemon on the tasks "Match" and "Wait", for the tests. "Match" holds the main loop up, as the subject's name
 * says: `busy…` computes, `native…` waits for a child process; it says `match <subject>` before. "Wait" ends when a line `go`
 * has come in, and says `wait <subject>`. Told `troubles`, it says them; told `stop`, the daemon stops and the process ends.
 *
 * Environment: DATABASE_URL, LEASE_SECONDS of its claims, BLOCK_SECONDS for "Match", STANDSTILL_SECONDS.
 */
import { spawnSync } from 'node:child_process';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Daemon } from '../../src/daemon/daemon.ts';
import { openDatabase } from '../../src/db/database.ts';
import { createStatusMachine } from '../../src/status/machine.ts';
import { optionsFor } from '../daemon/daemon-options.ts';
import { ScriptedRunner } from '../engine/scripted-runner.ts';
import { STATUSES, World } from '../engine/world.ts';

const { LEASE_SECONDS, BLOCK_SECONDS, STANDSTILL_SECONDS } = process.env;
const lines = createInterface({ input: process.stdin });
const said = (word: string) => new Promise<void>((resolve) => lines.on('line', (line) => line === word && resolve()));
const [go, stop] = [said('go'), said('stop')];
// Past the main loop, which will not turn.
const say = (text: string) => void writeSync(1, `${text}\n`);

function computeForLong(seconds: number): void {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end);
}

const match = new ScriptedRunner('Match', {
  does: async ({ name }) => {
    await Promise.resolve();
    say(`match ${name}`);
    if (name.startsWith('busy')) computeForLong(Number(BLOCK_SECONDS));
    if (name.startsWith('native')) spawnSync('sleep', [BLOCK_SECONDS!]);
    return 'processed';
  },
});
const wait = new ScriptedRunner('Wait', {
  does: async ({ name }) => {
    say(`wait ${name}`);
    await go;
    return 'processed';
  },
});
const database = await openDatabase({ url: process.env.DATABASE_URL! });
const world = new World(database, createStatusMachine(STATUSES), new Map([['Match', match], ['Wait', wait]]));
await world.sync();
const { options } = optionsFor(world, {
  config: { leaseSeconds: Number(LEASE_SECONDS), graceSeconds: 0, log: 'json' }, settleSeconds: 0.2, standstillSeconds: Number(STANDSTILL_SECONDS),
});
const daemon = await Daemon.create(options);
lines.on('line', (line) => {
  if (line === 'troubles') void daemon.troubles().then((troubles) => say(`troubles ${JSON.stringify(troubles)}`));
});
await daemon.begin();
say(`daemon ${daemon.id}`);
await stop;
await daemon.stop();
await database.close();
lines.close();
process.stdin.destroy();
