import { createHash, randomBytes } from 'node:crypto';
import { isCertainlyDead, type ProcessIdentity } from '../daemon/process-identity.ts';

/**
 * A file's name begins with when it was kept, and ends with whose it is: `<time>-<random>.<machine>.<pid>.<process start>.json`.
 * Whoever renames it to a name of its own has it, and of several that try at once one does.
 */
const NAME = /^(?<kept>\d{8}T\d{9}Z-[0-9a-f]{8})\.(?<machine>[0-9a-f]{8})\.(?<pid>\d+)\.(?<start>\d*)\.json(?<unfinished>\.tmp)?$/;

/** What a name says. */
export interface FileName {
  /** The part that stays when another process takes the file. */
  kept: string;
  owner: { machine: string; pid: number; start: string };
  /** It was not renamed to its final name: its process was killed over it, or is writing now. */
  unfinished: boolean;
}

/** What the name of a file in the spool's folder says; undefined for what is none of ours. */
export function readName(name: string): FileName | undefined {
  const found = NAME.exec(name)?.groups;
  if (found === undefined) return undefined;
  return { kept: found.kept!, owner: { machine: found.machine!, pid: Number(found.pid), start: found.start! }, unfinished: found.unfinished !== undefined };
}

/** The name of a file that is kept now, without its owner; names sort by time. */
export const keptNow = (now: Date): string => `${now.toISOString().replaceAll(/[-:.]/g, '')}-${randomBytes(4).toString('hex')}`;

/** The name that a file has while it is a process's. */
export const nameOf = (kept: string, { machine, pid, processStart }: ProcessIdentity): string => `${kept}.${short(machine)}.${pid}.${processStart}.json`;

/**
 * Whether a file may be taken: its process is dead, or nothing can be known of it here, because it ran in another container, on
 * another machine, or before the last reboot. To take it from one that lives does no harm: what is delivered is fenced.
 */
export function isOrphan({ owner }: FileName, me: ProcessIdentity): boolean {
  if (me.machine === '' || owner.machine !== short(me.machine)) return true;
  return isCertainlyDead({ ...me, pid: owner.pid, processStart: owner.start });
}

const short = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);
