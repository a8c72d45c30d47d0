import { randomUUID } from 'node:crypto';
import { isCertainlyDead, thisProcess, type ProcessIdentity } from '../daemon/process-identity.ts';
import { MARK } from './mark.ts';
import { environmentOf, readProcesses } from './process-table.ts';

/** It stays the same for as long as we run, and is read from five files. */
let self: ProcessIdentity | undefined;

/** A word that goes into the environment of one process and of all that it starts: which daemon they belong to, and which process. */
export function newMark(): string {
  const { machine, pid, processStart } = (self ??= thisProcess());
  return [machine, pid, processStart, randomUUID()].join('|');
}

/**
 * Kills what isolated attempts of dead daemons have left: where daemon and process die in the same moment, or something left
 * the process's group before its daemon died, nobody else knows of it. Of this machine, and of this container.
 *
 * @returns the ids of those that were killed
 */
export function sweep(): number[] {
  const abandoned = readProcesses().map(({ pid }) => pid).filter(isAbandoned);
  for (const pid of abandoned) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has gone by itself.
    }
  }
  return abandoned;
}

function isAbandoned(pid: number): boolean {
  const mark = environmentOf(pid, MARK);
  // A daemon that was itself started by an attempt must not end itself.
  if (mark === undefined || mark === process.env[MARK]) return false;
  const [machine = '', owner, processStart = ''] = mark.split('|');
  return isCertainlyDead({ host: '', machine, pid: Number(owner), processStart });
}
