import { VERSION, type KeptEnding } from '../spool/kept-ending.ts';
import type { KeptFile } from '../spool/spool.ts';
import type { Ending } from './advance.ts';
import { isResult } from './belated.ts';
import type { EngineOptions } from './engine-options.ts';

/** How long to wait before the spool is tried again after it could not be written. */
const AGAIN_MS = 10_000;

/** Of the engine's options, what keeping needs. */
export type KeeperOptions = Pick<EngineOptions, 'actor' | 'daemonId' | 'spool' | 'clock' | 'log'>;

/** Keeps the results of one task in the spool. What it cannot keep is said once, and never thrown. */
export class ResultKeeper {
  readonly #options: KeeperOptions;
  readonly #task: string;
  #againAt: number | undefined;

  constructor(options: KeeperOptions, task: string) {
    this.#options = options;
    this.#task = task;
  }

  /** @returns its file, or undefined within where it could not be written; undefined where the ending is no result, or there is no spool */
  keep(ending: Ending): Promise<KeptFile | undefined> | undefined {
    const { spool, clock } = this.#options;
    if (spool === undefined || !isResult(ending) || ending.names === undefined) return undefined;
    if (this.#againAt !== undefined && clock.monotonicMs() < this.#againAt) return undefined;
    return spool.keep(this.#toKeep(ending, spool.me)).then(
      (file) => {
        this.#againAt = undefined;
        return file;
      },
      (error: unknown) => this.#failed(error),
    );
  }

  #failed(error: unknown): undefined {
    const { clock, log } = this.#options;
    if (this.#againAt === undefined) log.error({ task: this.#task, err: error }, 'results cannot be kept in the spool; they stay in memory, and are lost if this process is killed before the database is back');
    this.#againAt = clock.monotonicMs() + AGAIN_MS;
  }

  #toKeep(ending: Ending, { pid, processStart }: { pid: number; processStart: string }): KeptEnding {
    const { clock, actor, daemonId } = this.#options;
    const { names, statusId: _statusId, waitsFor: _waitsFor, ...rest } = ending;
    return { version: VERSION, keptAt: clock.now().toISOString(), actor, daemon: { id: daemonId, pid, processStart }, task: this.#task, ...names, ...rest } as KeptEnding;
  }
}
