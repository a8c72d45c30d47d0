import type { DatabaseAddress } from '../db/address.ts';
import type { LogFormat } from '../log.ts';

/** What the thread is started with. */
export interface ThreadSetting {
  address: DatabaseAddress;
  daemonId: number;
  leaseSeconds: number;
  /** How long a runner that is over its time limit may take to settle, seconds. */
  settleSeconds: number;
  /** For how long the main loop may not turn before that is said, seconds. */
  standstillSeconds: number;
  logFormat: LogFormat;
  /** {@link PULSE}, {@link RUNNING} and {@link DEBUGGED} as 32-bit integers. */
  shared: SharedArrayBuffer;
}

/** Places in the memory that both threads see: how often the main loop has turned; how many attempts run; 1 while a person debugs the main loop. */
export const PULSE = 0;
export const RUNNING = 1;
export const DEBUGGED = 2;
export const SHARED_BYTES = 12;

/** How often the main loop says that it turns, and the thread looks, milliseconds. */
export const pulseMs = (standstillSeconds: number): number => Math.min(500, standstillSeconds * 250);

/** An attempt as the thread is told of it. */
export interface ToldAttempt {
  key: string;
  subjectId: string;
  taskId: number;
  attempt: number;
  task: string;
  subject: string;
  timeLimitSeconds: number | null;
}

/** What the main loop tells the thread: changes since the last message, by the attempts' keys. */
export interface Told {
  added?: readonly ToldAttempt[];
  /** Their runners have been called. */
  begun?: readonly string[];
  /** 0…1. */
  progress?: readonly (readonly [key: string, fraction: number])[];
  ended?: readonly string[];
  /** Why the daemon is not well, as the main loop sees it. */
  troubles?: readonly string[];
  stop?: true;
}

/** What the thread tells the main loop. It may come late, when the loop has stood still; each attempt is spoken of at most once as lost and once as cancelled. */
export type Heard =
  /** The thread is at work: what is claimed from now on is renewed in time. */
  | { type: 'ready' }
  | { type: 'lost'; keys: readonly string[] }
  | { type: 'cancelled'; attempts: readonly { key: string; by: string; reason: string }[] }
  | { type: 'log'; level: 'info' | 'warn'; message: string; fields: object }
  /** The leases cannot be renewed since then, or undefined: they can again. `sinceMs` is a Unix time. */
  | { type: 'outage'; sinceMs: number | undefined; reason: string }
  /** The main loop stood still and turns again. `holder` is empty, or goes on with `: ` and who held it up. */
  | { type: 'standstill'; seconds: number; holder: string };
