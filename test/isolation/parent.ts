/** A process with a pool in which an attempt spins for ever, after it has started others; says their ids, and waits to be killed. */
import path from 'node:path';
import { pino } from 'pino';
import { ProcessPool } from '../../src/isolation/process-pool.ts';
import { Doer } from './deeds.ts';

const pool = new ProcessPool({
  settings: { address: { host: '/nowhere', port: 1, user: 'nobody', database: 'nothing' }, runnersFile: path.join(import.meta.dirname, 'deeds.ts'), folders: { data: '/data', products: '/data' } },
  processes: 1, maxTasksPerProcess: 0, log: pino({ level: 'silent' }),
});
await pool.run({
  runner: new Doer(), taskId: 3, attempt: 1, timeLimitSeconds: null, statuses: new Set(['processed']), abort: new AbortController(),
  subject: { id: '7', name: '2010ag', data: { does: 'startsOthers', next: 'spins' } } as never,
  log: {
    info: (message, fields) => {
      if (message === 'begun') process.stdout.write('begun\n');
      if (fields !== undefined) process.stdout.write(`${JSON.stringify(fields.pids)}\n`);
    },
    warn: () => {},
  },
  progress: () => {},
});
