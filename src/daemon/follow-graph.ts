import type { EntityManager } from '@mikro-orm/postgresql';
import { describeUnserved, unservedTasks } from '../db/daemons.ts';
import { describeOutdated, type Work } from '../engine/read-work.ts';
import type { Logger } from '../log.ts';

export interface FollowOptions {
  em: () => EntityManager;
  /** Reads what there is to do; undefined where it is not read anew. */
  read: (() => Promise<Work | undefined>) | undefined;
  /** Tasks that no runner here does are worth a word; where fixtures were loaded, the check of the graph has said it. */
  saysWithoutRunner: boolean;
  log: Logger;
  /** Called with work that differs from the last one. */
  onChange: (work: Work) => void;
}

/**
 * Follows the graph in the database, which daemons with newer runners and fixtures may change at any time, and says once
 * what cannot be done here, or by nobody who is alive.
 */
export class GraphFollower {
  readonly #options: FollowOptions;
  readonly #said = new Set<string>();
  #unserved: ReadonlySet<string> = new Set();
  #fingerprint: string | undefined;
  #looking: Promise<void> | undefined;
  #again = false;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  /** Looks now. What changes while it looks is not missed: it looks again. */
  look(): Promise<void> {
    this.#again = true;
    return (this.#looking ??= this.#lookUntilDone().finally(() => {
      this.#looking = undefined;
    }));
  }

  async #lookUntilDone(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const work = await this.#options.read?.();
      if (work !== undefined) this.#hear(work);
      await this.#sayUnserved();
    }
  }

  #hear(work: Work): void {
    for (const outdated of work.outdated) this.#sayOnce(describeOutdated(outdated));
    if (this.#options.saysWithoutRunner) for (const task of work.withoutRunner) this.#sayOnce(`No runner here does "${task}"; its entries wait for others.`);
    if (work.fingerprint === this.#fingerprint) return;
    this.#fingerprint = work.fingerprint;
    this.#options.onChange(work);
  }

  async #sayUnserved(): Promise<void> {
    const sentences = (await unservedTasks(this.#options.em())).map(describeUnserved);
    for (const sentence of sentences) if (!this.#unserved.has(sentence)) this.#options.log.warn(sentence);
    this.#unserved = new Set(sentences);
  }

  #sayOnce(sentence: string): void {
    if (this.#said.has(sentence)) return;
    this.#said.add(sentence);
    this.#options.log.warn(sentence);
  }
}
