import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import os from 'node:os';

/** Tells one process from all others, for as long as its machine is up. */
export interface ProcessIdentity {
  host: string;
  /** Boot and process-id namespace of the machine: where it is equal, process ids mean the same. Empty where that cannot be known. */
  machine: string;
  pid: number;
  /** When the process started, as its kernel counts; tells a process from a later one with the same id. Empty where unknown. */
  processStart: string;
}

/** Who this process is. */
export function thisProcess(): ProcessIdentity {
  return { host: os.hostname(), machine: machine(), pid: process.pid, processStart: startOf(process.pid) ?? '' };
}

/** Whether that process certainly runs no more. False where this cannot be told from here: another machine, another container, no /proc. */
export function isCertainlyDead(other: ProcessIdentity): boolean {
  const here = machine();
  if (here === '' || other.machine !== here || other.processStart === '') return false;
  return startOf(other.pid) !== other.processStart;
}

function machine(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

function startOf(pid: number): string | undefined {
  if (!existsSync(`/proc/${pid}/stat`)) return undefined;
  try {
    // Field 22, counted after the command's name, which may itself hold spaces and brackets; Z is a process that is dead and not yet fetched.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
