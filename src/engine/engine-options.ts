import type { EntityManager } from '@mikro-orm/postgresql';
import type { Clock } from '../clock.ts';
import type { Hot } from '../db/hot.ts';
import type { Logger } from '../log.ts';
import type { SubjectTaskRunner } from '../runner/runner.ts';
import type { Spool } from '../spool/spool.ts';
import type { StatusMachine } from '../status/machine.ts';
import type { Hooks } from './hooks.ts';
import type { Isolation } from './isolated.ts';

/** A task with the runner that advances it, and its ids in the database. */
export interface EngineTask {
  id: number;
  name: string;
  kind: string;
  /** The status that entries are claimed from. */
  claimFrom: string;
  claimFromId: number;
  timeLimitSeconds: number | null;
  runner: SubjectTaskRunner<unknown>;
}

/** Whether the task's attempts run in processes of their own. */
export const isIsolated = ({ runner }: Pick<EngineTask, 'runner'>): boolean => runner.isolation === 'process';

/** Whether claims of the task must ask for room beyond this daemon's own. */
export const isLimited = ({ runner }: Pick<EngineTask, 'runner'>): boolean => runner.concurrency !== undefined || Object.keys(runner.uses).length > 0;

/** What an engine works on. */
export interface EngineWork {
  tasks: readonly EngineTask[];
  machine: StatusMachine;
  /** Status message → id. */
  statusIds: ReadonlyMap<string, number>;
}

export interface EngineOptions extends EngineWork {
  /** For what runners do. */
  fork: () => EntityManager;
  /** For what the engine does. */
  hot: Hot;
  /** Keeps results while the database is away; without it they are kept in memory alone. */
  spool?: Spool | undefined;
  /** Where attempts of isolated runners run; without it they run here, like any other. */
  isolation?: Isolation;
  /** What is done before and after attempts; without them nothing is. */
  hooks?: Hooks | undefined;
  /** 0 ≤ random < 1, for the waits between attempts; Math.random unless given. */
  random?: () => number;
  daemonId: number;
  /** Who the transitions say did it, e.g. `daemon 3 (host:1234)`. */
  actor: string;
  concurrency: number;
  /** What this daemon has that some runners require or qualify by. */
  labels?: readonly string[];
  /** Where settings may be set for this process alone; that of the process unless given. */
  environment?: NodeJS.ProcessEnv;
  /** First wait before what does not qualify is looked at again, seconds; 5 unless given. It grows with every failure. */
  recheckSeconds?: number;
  leaseSeconds: number;
  /** How long a runner that is over its time limit may take to settle, seconds; 5 unless given. */
  settleSeconds?: number;
  folders: { data: string; products: string };
  clock: Clock;
  log: Logger;
}
