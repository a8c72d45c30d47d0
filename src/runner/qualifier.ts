import { isDeepStrictEqual } from 'node:util';
import { QualifierError } from '../errors.ts';
import type { Json } from './outcome.ts';

/** What a daemon knows of itself when it asks whether it may run something. */
export interface QualifierContext {
  /** The value of a setting here: the environment's where that has one, else the database's; undefined where it is not set. */
  setting(name: string): Json | undefined;
  /** The labels of the daemon that asks. */
  readonly labels: readonly string[];
  /** Its host's name. */
  readonly host: string;
  /** Where the qualifier goes by arguments (`byKey`): those of the oldest job of the key; undefined elsewhere. */
  readonly args: unknown;
  /** And the key, as the job's `key(args)` gives it; undefined where it has none. */
  readonly key: string | undefined;
}

/**
 * Says whether a daemon may run a task, or a job, now. All qualifiers of a runner must hold on the daemon that looks for work; what
 * does not qualify is looked at again after a while, and at once when a setting changes. Extend it for conditions of your own.
 */
export abstract class Qualifier {
  /** How messages call it, e.g. `the setting "night"`. */
  abstract readonly name: string;
  /** Whether it goes by the arguments: then it is asked for each key, and the jobs of other keys go on while one waits. */
  readonly byKey: boolean = false;

  /** Whether it is no news where it does not hold, so that the log need not say so. */
  readonly isQuiet: boolean = false;

  /** Anything but true or false is an error that names the qualifier. Called often: it must be quick, and change nothing. */
  abstract check(context: QualifierContext): boolean | Promise<boolean>;

  /** What stands in the way, a sentence without its full stop; asked when `check` has given false. */
  describe(_context: QualifierContext): string {
    return `${this.name} does not hold`;
  }
}

/**
 * A setting must have a value, or one that a predicate is content with; a setting that is not set has undefined.
 *
 * @param wanted compared as JSON, or the predicate, which must return true or false
 */
export function setting(name: string, wanted: Json | ((value: Json | undefined) => boolean | Promise<boolean>)): Qualifier {
  return new Setting(name, wanted);
}

/** A setting must not be set, whatever value it would have. */
export function settingUnset(name: string): Qualifier {
  return new SettingUnset(name);
}

/** The daemon must have a label. Unlike `requires`, which the whole installation knows of, it is looked at by each daemon for itself. */
export function label(name: string): Qualifier {
  return new Label(name);
}

/**
 * A function must return true.
 *
 * @param options.name how messages call it; the function's own name unless given
 * @param options.byKey it goes by the arguments, see {@link Qualifier.byKey}
 */
export function dynamic(check: (context: QualifierContext) => boolean | Promise<boolean>, options: { name?: string; byKey?: boolean } = {}): Qualifier {
  return new Dynamic(check, options);
}

/** Why a task does not qualify. */
export interface Unqualified {
  /** A whole sentence. */
  reason: string;
  /** Whether the log need not say so. */
  isQuiet?: boolean;
  /** Where a qualifier could not be asked, or gave no boolean: a defect of it. */
  error?: QualifierError;
}

/** How long a qualifier may take, seconds; one that takes longer does not hold. */
const CHECK_SECONDS = 10;

/**
 * Asks the qualifiers in their order, up to the first that does not hold.
 *
 * @param task for messages
 * @returns undefined where all hold
 */
export async function unqualified(task: string, qualifiers: readonly Qualifier[], context: QualifierContext, checkSeconds = CHECK_SECONDS): Promise<Unqualified | undefined> {
  for (const qualifier of qualifiers) {
    try {
      const answer: unknown = await within(checkSeconds, qualifier.check(context));
      if (typeof answer !== 'boolean') throw new QualifierError(task, qualifier.name, `gave ${shown(answer)}, not true or false`);
      if (!answer) return { reason: `${capital(qualifier.describe(context).replace(/\.$/, ''))}.`, ...(qualifier.isQuiet ? { isQuiet: true } : {}) };
    } catch (thrown) {
      const error = thrown instanceof QualifierError ? thrown : new QualifierError(task, qualifier.name, `failed: ${messageOf(thrown)}`, { cause: thrown });
      return { reason: error.message, error };
    }
  }
  return undefined;
}

class Setting extends Qualifier {
  readonly name: string;
  readonly #setting: string;
  readonly #wanted: Json | ((value: Json | undefined) => boolean | Promise<boolean>);

  constructor(name: string, wanted: Json | ((value: Json | undefined) => boolean | Promise<boolean>)) {
    super();
    this.name = `the setting "${name}"`;
    this.#setting = name;
    this.#wanted = wanted;
  }

  check({ setting: valueOf }: QualifierContext): boolean | Promise<boolean> {
    const value = valueOf(this.#setting);
    return typeof this.#wanted === 'function' ? this.#wanted(value) : isDeepStrictEqual(value, this.#wanted);
  }

  override describe({ setting: valueOf }: QualifierContext): string {
    const value = valueOf(this.#setting);
    const found = value === undefined ? 'is not set' : `is ${JSON.stringify(value)}`;
    return typeof this.#wanted === 'function' ? `${this.name} ${found}, which will not do` : `${this.name} ${found}, and should be ${JSON.stringify(this.#wanted)}`;
  }
}

class SettingUnset extends Qualifier {
  readonly name: string;
  readonly #setting: string;

  constructor(name: string) {
    super();
    this.name = `the setting "${name}"`;
    this.#setting = name;
  }

  check({ setting: valueOf }: QualifierContext): boolean {
    return valueOf(this.#setting) === undefined;
  }

  override describe({ setting: valueOf }: QualifierContext): string {
    return `${this.name} is ${JSON.stringify(valueOf(this.#setting))}, and should not be set`;
  }
}

class Label extends Qualifier {
  readonly name: string;
  readonly #label: string;

  constructor(name: string) {
    super();
    this.name = `the label "${name}"`;
    this.#label = name;
  }

  check({ labels }: QualifierContext): boolean {
    return labels.includes(this.#label);
  }

  override describe(): string {
    return `the daemon has not ${this.name}`;
  }
}

class Dynamic extends Qualifier {
  readonly name: string;
  override readonly byKey: boolean;
  readonly #check: (context: QualifierContext) => boolean | Promise<boolean>;

  constructor(check: (context: QualifierContext) => boolean | Promise<boolean>, { name, byKey = false }: { name?: string; byKey?: boolean }) {
    super();
    this.name = name ?? (check.name === '' ? 'a condition' : `the condition "${check.name}"`);
    this.byKey = byKey;
    this.#check = check;
  }

  check(context: QualifierContext): boolean | Promise<boolean> {
    return this.#check(context);
  }
}

async function within(seconds: number, answer: unknown): Promise<unknown> {
  if (!(answer instanceof Promise)) return answer;
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not answer within ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([answer, silence]);
  } finally {
    clearTimeout(timer);
  }
}

const shown = (value: unknown): string => (typeof value === 'string' ? `"${value}"` : value === undefined ? 'nothing' : typeof value === 'object' ? 'an object' : String(value));

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown)).replace(/\.$/, '');

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
