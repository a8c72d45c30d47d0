import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { RunLog } from '../runner/context.ts';
import type { Json } from '../runner/outcome.ts';
import { describeError, storable, storableText } from '../db/storable.ts';

/** What one attempt may keep: so many lines, so many characters of JSON in all of them. The rest goes to the daemon's log only. */
const MOST_LINES = 1000;
const MOST_CHARACTERS = 300_000;
/** The longest message, and the longest fields of one line, in characters. */
const LONGEST = 2000;

/** What a runner says while it runs: kept with the attempt, and written to the daemon's log. */
export class AttemptLog implements RunLog {
  readonly #lines: { at: string; level: 'info' | 'warn'; message: string; fields?: Json }[] = [];
  readonly #log: Logger;
  readonly #clock: Clock;
  #characters = 0;
  #left = 0;

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
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

  // What a runner says must not be what it fails of, so nothing here throws.
  #add(level: 'info' | 'warn', given: unknown, fields: unknown): void {
    const { message, fields: kept } = asLine(given, fields);
    // The daemon's log would drown in what every attempt has to say; what is worth a look goes through.
    this.#log[level === 'info' ? 'debug' : level](kept ?? {}, message);
    const line = { at: this.#clock.now().toISOString(), level, message, ...(kept === undefined ? {} : { fields: kept }) };
    this.#characters += JSON.stringify(line).length;
    if (this.#left === 0 && this.#lines.length < MOST_LINES && this.#characters <= MOST_CHARACTERS) this.#lines.push(line);
    else this.#left += 1;
  }
}

/** What a runner said, as it can be kept and sent: whatever it gave as message and fields. It never throws. */
export function asLine(given: unknown, fields: unknown): { message: string; fields: Json | undefined } {
  return { message: storableText(typeof given === 'string' ? given : describeError(given).message, LONGEST), fields: fieldsOf(fields) };
}

function fieldsOf(fields: unknown): Json | undefined {
  try {
    const kept = storable(fields, 'line');
    const length = kept === undefined ? 0 : JSON.stringify(kept).length;
    return length > LONGEST ? { left: `${length} characters` } : kept;
  } catch (error) {
    return { left: describeError(error).message };
  }
}
