/**
 * A process with a daemon on one task, "Match", for the tests: it says `running <subject> <attempt>` when an attempt begins,
 * which writes a note and ends once a line `go` has come in. Told `stop`, the daemon stops and the process ends by itself.
 *
 * Environment: DATABASE_URL, and LEASE_SECONDS of its claims.
 */
import { createInterface } from 'node:readline';
import { Daemon } from '../../src/daemon/daemon.ts';
import { openDatabase } from '../../src/db/database.ts';
import { createStatusMachine } from '../../src/status/machine.ts';
import { ScriptedRunner } from '../engine/scripted-runner.ts';
import { STATUSES, World } from '../engine/world.ts';
import { optionsFor } from './daemon-options.ts';

const lines = createInterface({ input: process.stdin });
const said = (word: string) => new Promise<void>((resolve) => lines.on('line', (line) => line === word && resolve()));
const [go, stop] = [said('go'), said('stop')];
const say = (text: string) => void process.stdout.write(`${text}\n`);

const runner = new ScriptedRunner('Match', {
  does: async (subject, { em, attempt }) => {
    say(`running ${subject.name} ${attempt}`);
    await go;
    await em.execute(`insert into note (subject_id, attempt, text) values (?, ?, ?)`, [subject.id, attempt, `${subject.name} by ${process.pid}`]);
    return 'processed';
  },
});
const database = await openDatabase({ url: process.env.DATABASE_URL! });
const world = new World(database, createStatusMachine(STATUSES), new Map([['Match', runner]]));
await world.sync();
const { options } = optionsFor(world, { config: { leaseSeconds: Number(process.env.LEASE_SECONDS), graceSeconds: 0 } });
const daemon = await Daemon.create(options);
await daemon.begin();
say(`daemon ${daemon.id}`);
await stop;
await daemon.stop();
await database.close();
lines.close();
process.stdin.destroy();
