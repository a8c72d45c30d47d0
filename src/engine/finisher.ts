import { isConnectionError } from '../db/connection-error.ts';
import type { KeptFile } from '../spool/spool.ts';
import type { Ending } from './advance.ts';
import { advanceOrLook, type Fate } from './belated.ts';
import type { EngineOptions, EngineTask } from './engine-options.ts';
import { ResultKeeper, type KeeperOptions } from './result-keeper.ts';
import { retryDeadlock } from './retry-deadlock.ts';

/** Endings that one statement writes at most. */
const MOST_AT_ONCE = 500;
/** How long to wait before the database is asked again after it was away. */
const RETRY_MS = 500;
/** A database that has not answered for so long is taken for away: what waits for it is brought to disk. */
const SLOW_MS = 2000;
/** How long a daemon that stops waits for an answer. */
const HURRY_MS = 5000;

interface Waiting {
  ending: Ending;
  /** It was sent once, and may have been written. */
  belated: boolean;
  /** Its file in the spool. */
  kept?: Promise<KeptFile | undefined> | undefined;
  resolve: (counts: boolean) => void;
  reject: (error: unknown) => void;
}

/** Of the engine's options, what a finisher needs. */
export type FinisherOptions = Pick<EngineOptions, 'hot'> & KeeperOptions;

/**
 * Writes the endings of one task's attempts, many in one statement: while one statement is on its way the next endings
 * gather. Alone, an ending goes at once; under load, the database commits once for hundreds.
 *
 * While the database is away, results are kept in the spool as well, where they outlive this process, and are tried again until
 * it is back.
 */
export class Finisher {
  readonly #options: FinisherOptions;
  readonly #task: Pick<EngineTask, 'id' | 'name'>;
  readonly #keeper: ResultKeeper;
  readonly #hurried = Promise.withResolvers<void>();
  #waiting: Waiting[] = [];
  #busy = false;
  #patient = true;
  #away = false;

  constructor(options: FinisherOptions, task: Pick<EngineTask, 'id' | 'name'>) {
    this.#options = options;
    this.#task = task;
    this.#keeper = new ResultKeeper(options, task.name);
  }

  /**
   * @returns whether the ending counts: it is recorded, or kept in the spool by a daemon that stops while the database is away. If not,
   * the attempt had lost its lease, and nothing of it was written
   */
  finish(ending: Ending): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { ending, belated: false, resolve, reject };
      this.#waiting.push(waiting);
      if (this.#away) this.#keep([waiting]);
      // A turn of the loop later, so that endings of the same moment go together.
      if (!this.#busy) setImmediate(() => void this.#flush());
    });
  }

  /** Does something again and again while the database is away, until it is told to hurry. For what may be done twice. */
  async patiently<T>(act: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await act();
      } catch (error) {
        if (!isConnectionError(error) || !this.#patient) throw error;
        await this.#pause();
      }
    }
  }

  /** From now on a database that is away is not waited for: what cannot be written stays in the spool, or is rejected and rescued when its lease is over. */
  hurry(): void {
    this.#patient = false;
    this.#hurried.resolve();
  }

  async #flush(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#waiting.length > 0) await this.#write(this.#waiting.splice(0, MOST_AT_ONCE));
    this.#busy = false;
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    const slow = setTimeout(() => this.#isAway(batch), SLOW_MS);
    try {
      const fates = await this.#orHurried(this.#advance(batch));
      clearTimeout(slow);
      this.#isBack();
      await Promise.all(batch.map((waiting) => this.#end(waiting, fates.get(waiting.ending)!)));
    } catch (error) {
      clearTimeout(slow);
      if (isConnectionError(error)) await this.#wait(batch, error);
      // One bad row must not fail its neighbours: each is written alone.
      else if (batch.length > 1) for (const waiting of batch) await this.#write([waiting]);
      else await refuse(batch[0]!, error);
    }
  }

  #advance(batch: readonly Waiting[]): Promise<Map<Ending, Fate>> {
    const { hot, actor } = this.#options;
    const belated = new Set(batch.flatMap((waiting) => (waiting.belated ? [waiting.ending] : [])));
    return retryDeadlock(() => advanceOrLook(hot.run, this.#task.id, actor, batch.map(({ ending }) => ending), (ending) => belated.has(ending)));
  }

  /** A network that has gone silent must not keep a daemon from stopping. */
  async #orHurried<T>(answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = this.#hurried.promise.then(() => new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(Object.assign(new Error('The database did not answer before the daemon had to stop.'), { code: 'ETIMEDOUT' })), HURRY_MS);
    }));
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The database is away. What was computed is kept, and tried again until it is back. */
  async #wait(batch: readonly Waiting[], error: unknown): Promise<void> {
    for (const waiting of batch) waiting.belated = true;
    this.#isAway(batch);
    if (this.#patient) {
      this.#waiting.unshift(...batch);
      await this.#pause();
    } else await Promise.all(batch.map((waiting) => this.#leave(waiting, error)));
  }

  #pause(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, RETRY_MS);
    });
    return Promise.race([over, this.#hurried.promise]).finally(() => clearTimeout(timer));
  }

  #isAway(batch: readonly Waiting[]): void {
    const { log } = this.#options;
    if (!this.#away) log.warn({ task: this.#task.name, endings: batch.length + this.#waiting.length }, 'the database does not take how attempts ended; they are kept and tried again');
    this.#away = true;
    this.#keep([...batch, ...this.#waiting]);
  }

  #isBack(): void {
    if (this.#away) this.#options.log.info({ task: this.#task.name }, 'the database takes how attempts ended again');
    this.#away = false;
  }

  /** Brings results to disk. Where that fails they stay in memory, and are tried again with the database. */
  #keep(all: readonly Waiting[]): void {
    for (const waiting of all) {
      waiting.kept ??= this.#keeper.keep(waiting.ending)?.then((file) => {
        if (file === undefined) waiting.kept = undefined;
        return file;
      });
    }
  }

  async #end(waiting: Waiting, fate: Fate): Promise<void> {
    const counts = fate === 'written' || fate === 'recorded';
    const file = await waiting.kept;
    if (counts) await file?.remove();
    else await file?.setAside('late');
    waiting.resolve(counts);
  }

  /** The daemon stops, and the database is away. */
  async #leave({ ending, kept, resolve, reject }: Waiting, error: unknown): Promise<void> {
    const file = await kept;
    if (file === undefined) return reject(error);
    file.leave();
    this.#options.log.warn({ task: this.#task.name, subject: ending.names?.subject, attempt: ending.attempt }, 'the end of an attempt stays in the spool, and is delivered when the database is back');
    resolve(true);
  }
}

async function refuse({ kept, reject }: Waiting, error: unknown): Promise<void> {
  await (await kept)?.remove();
  reject(error);
}
