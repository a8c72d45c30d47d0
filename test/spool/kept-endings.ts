import { thisProcess, type ProcessIdentity } from '../../src/daemon/process-identity.ts';
import type { KeptEnding } from '../../src/spool/kept-ending.ts';

/** A result as the spool keeps it. */
export function keptEnding(given: Partial<KeptEnding> = {}): KeptEnding {
  return {
    version: 1, keptAt: '2026-11-21T12:00:00.000Z', actor: 'daemon 1', daemon: { id: 1, pid: 4_194_305, processStart: '1' }, task: 'Match', subject: 'a', subjectId: '1',
    attempt: 1, status: 'processed', cause: 'finish', outcome: 'finished', wallSeconds: 7200, cpuSeconds: 7100, result: { dear: 1 }, setbacks: 0, ...given,
  };
}

/** A process of this machine that is dead: no kernel gives that number, which is above the highest there can be. */
export const deadProcess = (): ProcessIdentity => ({ ...thisProcess(), pid: 4_194_305, processStart: '1' });
