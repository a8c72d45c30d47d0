/**
 * A process with a spool, for the tests. `keep`: it keeps a result, says `kept`, and lives on. `take`: told `go`, it takes what
 * nobody cares for, and says the subject of each.
 *
 * Arguments: the folder, and what to do.
 */
import { once } from 'node:events';
import { pino } from 'pino';
import { systemClock } from '../../src/clock.ts';
import { thisProcess } from '../../src/daemon/process-identity.ts';
import { openSpool } from '../../src/spool/spool.ts';
import { keptEnding } from './kept-endings.ts';

const [folder, act] = process.argv.slice(2);
const spool = openSpool({ folder: folder!, me: thisProcess(), clock: systemClock, log: pino({ level: 'silent' }) });
const say = (text: string) => void process.stdout.write(`${text}\n`);
if (act === 'keep') {
  await spool.keep(keptEnding({ subject: 'its' }));
  say('kept');
  process.stdin.resume();
} else {
  say('ready');
  await once(process.stdin, 'data');
  for await (const { ending, file } of spool.orphans()) {
    say(ending.subject);
    await file.remove();
  }
  process.stdin.destroy();
}
