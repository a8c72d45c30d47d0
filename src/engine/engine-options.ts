import type { EntityManager } from '@mikro-orm/postgresql';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { SubjectTaskRunner } from '../runner/runner.ts';
import type { StatusMachine } from '../status/machine.ts';

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

export interface EngineOptions {
  fork: () => EntityManager;
  tasks: readonly EngineTask[];
  machine: StatusMachine;
  /** Status message → id. */
  statusIds: ReadonlyMap<string, number>;
  daemonId: number;
  /** Who the transitions say did it, e.g. `daemon 3 (host:1234)`. */
  actor: string;
  concurrency: number;
  leaseSeconds: number;
  /** How long a runner that is over its time limit may take to settle, seconds; 5 unless given. */
  settleSeconds?: number;
  folders: { data: string; products: string };
  clock: Clock;
  log: Logger;
}
