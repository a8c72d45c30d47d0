import type { Logger } from '../log.ts';
import type { RunLog } from '../runner/context.ts';
import type { Json } from '../runner/outcome.ts';
import { storable, storableText } from '../db/storable.ts';

/** Lines that one attempt may keep; the rest goes to the daemon's log only. */
const MOST_LINES = 1000;

/** What a runner says while it runs: kept with the attempt, and written to the daemon's log. */
export class AttemptLog implements RunLog {
  readonly #lines: { at: string; level: 'info' | 'warn'; message: string; fields?: Json }[] = [];
  readonly #log: Logger;
  #left = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  info(message: string, fields?: Record<string, Json>): void {
    this.#add('info', message, fields);
  }

  warn(message: string, fields?: Record<string, Json>): void {
    this.#add('warn', message, fields);
  }

  /** The lines, oldest first, or undefined where nothing was said. */
  get lines(): Json | undefined {
    if (this.#lines.length === 0) return undefined;
    if (this.#left === 0) return this.#lines as unknown as Json;
    return [...this.#lines, { at: this.#lines.at(-1)!.at, level: 'warn', message: `… and ${this.#left} more lines` }] as unknown as Json;
  }

  #add(level: 'info' | 'warn', message: string, fields: Record<string, Json> | undefined): void {
    // The daemon's log would drown in what every attempt has to say; what is worth a look goes through.
    this.#log[level === 'info' ? 'debug' : level](fields ?? {}, message);
    if (this.#lines.length >= MOST_LINES) {
      this.#left += 1;
      return;
    }
    const line = { at: new Date().toISOString(), level, message: storableText(String(message), 2000) };
    this.#lines.push(fields === undefined ? line : { ...line, fields: storable(fields, 'log line') });
  }
}
