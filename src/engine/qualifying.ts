import os from 'node:os';
import { readSettings } from '../db/settings.ts';
import type { Json } from '../runner/outcome.ts';
import type { QualifierContext } from '../runner/qualifier.ts';
import { settingsOf } from '../runner/setting.ts';
import type { EngineOptions } from './engine-options.ts';

/** Settings are read again after so long, seconds, in case the word that one was changed was lost. */
const FRESH_SECONDS = 30;

/** What the qualifiers of all tasks of an engine are asked with. */
export class Qualifying {
  readonly options: Pick<EngineOptions, 'hot' | 'daemonId' | 'clock' | 'log'>;
  /** First wait before a task that does not qualify is looked at again, seconds. */
  readonly recheckSeconds: number;
  /** Counts up when a setting has changed, so that what was set aside before is looked at again at once. */
  changes = 0;
  readonly #labels: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  #settings: Promise<(name: string) => Json | undefined> | undefined;
  #readAtMs = 0;

  constructor({ hot, daemonId, clock, log, labels = [], environment = process.env, recheckSeconds = 5 }: EngineOptions) {
    this.options = { hot, daemonId, clock, log };
    this.recheckSeconds = recheckSeconds;
    this.#labels = labels;
    this.#env = environment;
  }

  /** Somebody has changed a setting. */
  changed(): void {
    this.changes += 1;
    this.#settings = undefined;
  }

  /** @throws the database is away, and no settings are known that are fresh enough */
  async context(args?: unknown, key?: string): Promise<QualifierContext> {
    const { hot, clock } = this.options;
    if (this.#settings === undefined || clock.monotonicMs() - this.#readAtMs > FRESH_SECONDS * 1000) {
      this.#readAtMs = clock.monotonicMs();
      this.#settings = readSettings(hot.run).then((rows) => settingsOf(new Map(rows.map(({ name, value }) => [name, value])), this.#env));
      const mine = this.#settings;
      mine.catch(() => {
        if (this.#settings === mine) this.#settings = undefined;
      });
    }
    return { setting: await this.#settings, labels: this.#labels, host: os.hostname(), args, key };
  }
}
