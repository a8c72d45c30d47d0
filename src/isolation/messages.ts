import type { DatabaseAddress } from '../db/database.ts';
import type { Ending } from '../engine/advance.ts';
import type { RunEnd } from '../engine/run.ts';
import type { Json } from '../runner/outcome.ts';
import type { WireError } from './wire-error.ts';

/** What a process has to know before it can run anything. It comes by message, since arguments can be read by everybody on the machine. */
export interface ProcessSettings {
  address: DatabaseAddress;
  /** The module that exports the runners. */
  runnersFile: string;
  folders: { data: string; products: string };
}

/** What a process is told. */
export type ToProcess =
  | { type: 'prepare'; settings: ProcessSettings }
  | { type: 'run'; task: string; taskId: number; attempt: number; subject: { id: string; name: string }; statuses: ReadonlySet<string> }
  | { type: 'abort'; reason: WireError }
  /** Write the ending with what the runner wrote, or forget the latter. */
  | { type: 'commit'; taskId: number; actor: string; ending: Ending }
  | { type: 'rollback' }
  | { type: 'leave' };

/** What a process says. */
export type FromProcess =
  | { type: 'ready' }
  | { type: 'unable'; error: WireError }
  | { type: 'log'; level: 'info' | 'warn'; message: string; fields: Json | undefined }
  | { type: 'progress'; fraction: number }
  /** A promise that nobody waits for was rejected. */
  | { type: 'rejection'; error: WireError }
  | Ended
  | { type: 'committed' }
  | { type: 'not committed'; error: WireError }
  | { type: 'rolled back' };

/** The runner has settled. Where it wrote, its transaction is open until one of the two words about it comes. */
export interface Ended {
  type: 'ended';
  outcome: { returned: RunEnd } | { thrown: WireError };
  wrote: boolean;
  interruption: WireError | undefined;
  cpuSeconds: number;
}

/** The file descriptor of a pipe whose other end the parent alone has: it closes when the parent is gone, however it went. */
export const PARENT_FD = 4;
