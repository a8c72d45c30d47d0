import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ProcessDiedError, type ProcessDeath } from '../errors.ts';
import { LastWords, onLines } from './lines.ts';
import { MARK } from './mark.ts';
import type { FromProcess, ProcessSettings, ToProcess } from './messages.ts';
import { ProcessGroup } from './process-group.ts';
import { newMark } from './sweep.ts';
import { fromWire } from './wire-error.ts';

/** How long a process may take to load the runners, seconds. */
const START_SECONDS = 60;
/** How long a process that is told to leave may take, seconds. */
const LEAVE_SECONDS = 5;
/** After how long a process that was killed and does not go is told of, seconds. */
const KILL_SECONDS = 10;
/** How long messages of a process that is gone may still be on their way, ms. */
const LAST_MESSAGES_MS = 1000;
/** How often those who were asked to go are looked for, ms. */
const LOOK_MS = 50;
/** How much of the end of standard error is kept, characters. */
const LAST_WORDS = 2000;

export interface ProcessOptions {
  settings: ProcessSettings;
  /** The most that V8's old space may have; undefined leaves it to V8. */
  heapMiB: number | undefined;
  onOutput: (process: IsolatedProcess, stream: 'stdout' | 'stderr', line: string) => void;
  onUnkillable: (pids: readonly number[]) => void;
}

/** A child process with the runners loaded, which runs one attempt after the other. It leads a process group of its own. */
export class IsolatedProcess {
  readonly pid: number;
  readonly group: ProcessGroup;
  /** Attempts that were begun here. */
  runs = 0;
  /** Resident memory before the first attempt, MiB. */
  idleMiB = 0;
  /** Whether another attempt may be run here. */
  usable = true;
  /** Resolves when the process and everything that it has started are gone. */
  readonly gone: Promise<ProcessDeath>;
  readonly #child: ChildProcess;
  readonly #options: ProcessOptions;
  readonly #lastWords = new LastWords(LAST_WORDS);
  #listener: (message: FromProcess) => void = () => {};
  /** Until when those who were asked to go may do so; by `performance.now()`. */
  #patienceUntil = 0;

  /**
   * Starts a process; resolves when it can run something.
   *
   * @throws {ProcessDiedError} it could not be started, or ended before, or could not load the runners
   */
  static async start(options: ProcessOptions): Promise<IsolatedProcess> {
    const mark = newMark();
    const child = fork(path.join(import.meta.dirname, 'child.ts'), [], {
      // A process group of its own, to be killed as a whole, and which Ctrl-C on a terminal does not reach.
      detached: true,
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'],
      execArgv: options.heapMiB === undefined ? [] : [`--max-old-space-size=${options.heapMiB}`],
      // Loading the runners is most of what a start costs, and compiling them is a third of that.
      env: { NODE_COMPILE_CACHE: path.join(options.settings.folders.data, 'compile-cache'), ...process.env, [MARK]: mark },
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(notStarted(error)));
    });
    const started = new IsolatedProcess(child, mark, options);
    await started.#ready();
    return started;
  }

  private constructor(child: ChildProcess, mark: string, options: ProcessOptions) {
    this.#child = child;
    this.#options = options;
    this.pid = child.pid!;
    this.group = new ProcessGroup(this.pid, mark);
    child.on('error', () => {});
    child.on('message', (message) => this.#listener(message as FromProcess));
    // Never written to: it closes when we are gone. Nor does it keep us from ending.
    const lifeline = child.stdio[4] as unknown as { on(event: 'error', listener: () => void): void; unref(): void };
    lifeline.on('error', () => {});
    lifeline.unref();
    onLines(child.stdout!, (line) => options.onOutput(this, 'stdout', line));
    onLines(child.stderr!, (line) => {
      this.#lastWords.add(line);
      options.onOutput(this, 'stderr', line);
    });
    this.gone = this.#untilGone();
  }

  /** Who hears what the process says; of one attempt at a time. */
  listen(listener: (message: FromProcess) => void): void {
    this.#listener = listener;
  }

  /** Begins an attempt: what was said before belongs to others. */
  begin(): void {
    this.runs += 1;
    this.#lastWords.clear();
    this.group.look();
  }

  send(message: ToProcess): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** Asks everyone in the group to go, and kills who is left after the grace time. Resolves when they are gone. */
  async terminate(graceSeconds: number): Promise<void> {
    this.usable = false;
    this.#patienceUntil = performance.now() + graceSeconds * 1000;
    this.group.signal('SIGTERM');
    const tooLong = setTimeout(() => void this.kill(), graceSeconds * 1000);
    await this.gone;
    clearTimeout(tooLong);
  }

  /** Kills the process with all that it has started. Resolves when they are gone. */
  async kill(): Promise<void> {
    this.usable = false;
    this.#patienceUntil = 0;
    this.group.signal('SIGKILL');
    // The kernel keeps who waits for a disk or a network that does not answer.
    const tooLong = setTimeout(() => this.#options.onUnkillable([this.pid]), KILL_SECONDS * 1000);
    await this.gone;
    clearTimeout(tooLong);
  }

  /** Lets it close its connections and end; kills it where that takes too long. Resolves when it is gone. */
  async leave(): Promise<void> {
    this.usable = false;
    this.send({ type: 'leave' });
    const tooLong = setTimeout(() => void this.kill(), LEAVE_SECONDS * 1000);
    await this.gone;
    clearTimeout(tooLong);
  }

  async #ready(): Promise<void> {
    const tooLong = setTimeout(() => void this.kill(), START_SECONDS * 1000);
    const said = new Promise<void>((resolve, reject) => {
      this.listen((message) => {
        if (message.type === 'ready') resolve();
        if (message.type === 'unable') reject(notStarted(fromWire(message.error)));
      });
    });
    try {
      this.send({ type: 'prepare', settings: this.#options.settings });
      await Promise.race([said, this.gone.then((death) => Promise.reject(new ProcessDiedError('A process, while it was loading the runners,', death)))]);
      this.idleMiB = this.group.usage()?.residentMiB ?? 0;
    } catch (error) {
      await this.kill();
      throw error;
    } finally {
      clearTimeout(tooLong);
      this.listen(() => {});
    }
  }

  async #untilGone(): Promise<ProcessDeath> {
    const child = this.#child;
    const silent = new Promise<void>((resolve) => child.once('disconnect', resolve));
    const [exitCode, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => child.once('exit', (code, by) => resolve([code, by])));
    this.usable = false;
    while (performance.now() < this.#patienceUntil && !this.group.gone) await delay(LOOK_MS);
    // Whoever is left has lost the one that it worked for.
    const left = await this.group.kill();
    if (left.length > 0) this.#options.onUnkillable(left);
    // What it said at last may still be on its way to us.
    const patience = new AbortController();
    await Promise.race([Promise.all([silent, ended(child.stderr!)]), delay(LAST_MESSAGES_MS, undefined, { signal: patience.signal }).catch(() => {})]);
    patience.abort();
    return { exitCode, signal, lastWords: this.#lastWords.text };
  }
}

const notStarted = (error: Error): Error => new ProcessDiedError('A process for isolated attempts', { exitCode: null, signal: null, lastWords: error.message }, { cause: error });

const ended = (stream: NodeJS.ReadableStream & { readableEnded?: boolean; destroyed?: boolean }): Promise<void> =>
  new Promise((resolve) => {
    if (stream.readableEnded === true || stream.destroyed === true) resolve();
    else stream.once('close', () => resolve());
  });
