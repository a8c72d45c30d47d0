import type { RunContext } from '../../src/runner/context.ts';
import type { Prerequisites } from '../../src/runner/prerequisites.ts';
import { TransientTaskRunner } from '../../src/runner/runner.ts';
import type { RetryPolicy } from '../../src/runner/retry-policy.ts';
import type { Transient } from '../../src/runner/transient.ts';
import type { GivenTask } from './world.ts';

/** What a runner does with one object; it may return or throw anything. */
export type Script = (subject: Transient, context: RunContext) => unknown;

/** The one runner of these tests: it does what it is told, subject by subject, and says when it begins. */
export class ScriptedRunner extends TransientTaskRunner {
  readonly taskName: string;
  // Never in the life of a test: what runs was woken by something else.
  readonly schedule = '0 0 29 2 *';
  override readonly kind: string;
  prerequisites: Prerequisites;
  failedStatusMessage: string;
  override readonly returns: readonly string[] | undefined;
  override readonly version = 7;
  override readonly wakes: 'at once' | 'on schedule';
  override readonly retry: Partial<RetryPolicy>;
  override readonly uses: Readonly<Record<string, number>>;
  override readonly concurrency: number | undefined;
  override readonly requires: readonly string[];
  /** Every call, in order. */
  readonly runs: { subject: string; attempt: number }[] = [];
  readonly #scripts = new Map<string, Script>();
  readonly #waiting = new Map<string, (() => void)[]>();
  #otherwise: Script;

  constructor(name: string, { needs = {}, from, failed = 'failed', returns, does = () => 'processed', wakes = 'at once', kind = 'transient', retry = {}, uses = {}, concurrency, requires = [] }: GivenTask) {
    super();
    this.taskName = name;
    this.kind = kind;
    this.prerequisites = from === undefined ? needs : { ...needs, [name]: from };
    this.failedStatusMessage = failed;
    this.returns = returns;
    this.wakes = wakes;
    this.retry = retry;
    this.uses = uses;
    this.concurrency = concurrency;
    this.requires = requires;
    this.#otherwise = does;
  }

  /** What to do with one subject. */
  on(subject: string, script: Script): this {
    this.#scripts.set(subject, script);
    return this;
  }

  /** What to do with all subjects that it was told nothing about. */
  does(script: Script): this {
    this.#otherwise = script;
    return this;
  }

  /** Resolves when an attempt on the subject begins, or has begun. */
  async began(subject: string, attempt = 1): Promise<void> {
    if (this.runs.some((run) => run.subject === subject && run.attempt === attempt)) return;
    const key = `${subject}/${attempt}`;
    await new Promise<void>((resolve) => this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), resolve]));
  }

  get order(): string[] {
    return this.runs.map(({ subject }) => subject);
  }

  override runProcess(subject: Transient, context: RunContext): string {
    this.runs.push({ subject: subject.name, attempt: context.attempt });
    for (const resolve of this.#waiting.get(`${subject.name}/${context.attempt}`) ?? []) resolve();
    return (this.#scripts.get(subject.name) ?? this.#otherwise)(subject, context) as string;
  }
}

/** Runs for ever, whatever it is told. */
export const hangs: Script = () => new Promise(() => {});

/** Runs until it is told to stop. */
export const obeys: Script = (_subject, { signal }) =>
  new Promise((_resolve, reject) => {
    const stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
  });

/** Throws before its first await. */
export const throws =
  (value: unknown): Script =>
  () => {
    throw value;
  };

/** Writes a row through the runner's EntityManager, then goes on. */
export const writes =
  (text: string, then: Script = () => 'processed'): Script =>
  async (subject, context) => {
    await context.em.execute(`insert into note (subject_id, attempt, text) values (?, ?, ?)`, [subject.id, context.attempt, text]);
    return then(subject, context);
  };

/** A script that waits until the test opens it. */
export function gate(then: Script = () => 'processed'): { script: Script; open(): void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return {
    open,
    script: async (subject, context) => {
      await opened;
      return then(subject, context);
    },
  };
}
