import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LeaseLostError, ScriptDiedError, ScriptError, StoppingError, type ScriptFault } from '../errors.ts';
import { MARK } from '../isolation/mark.ts';
import { ProcessGroup } from '../isolation/process-group.ts';
import { newMark } from '../isolation/sweep.ts';
import type { Json } from '../runner/outcome.ts';
import { scriptEnvironment } from './environment.ts';
import { guardFromNowOn, guardGroup, releaseGroup } from './guarded.ts';
import { LastBytes } from './last-bytes.ts';
import { launchOf, type Launch } from './launch.ts';
import { NoiseLines } from './noise-lines.ts';
import { readResult, type ScriptResult } from './read-result.ts';
import { makeFolder, type FolderKeeping, type ScriptFolder } from './script-folder.ts';
import { ScriptOutput } from './script-output.ts';
import { sweepLater } from './stragglers.ts';

/** One run of one script. Only `script` and `folders` have to be given. */
export interface ScriptOrder {
  /** Path of the script; relative to the folder that we work in. */
  script: string;
  /** The folder in which the run's own folder is made, by convention `scripts` in the data folder. */
  folders: string;
  args?: readonly string[];
  /** Written to its standard input, one JSON document and a line break; nothing unless given. */
  input?: Json;
  /** What runs it, a program or a program with arguments, where that is not told by extension or shebang. */
  interpreter?: string | readonly string[] | undefined;
  /** Variables of our own environment that it gets beside PASSED_ON. */
  pass?: readonly string[];
  /** Variables that it gets with these values. */
  set?: Readonly<Record<string, string | undefined>>;
  /** The folder that it starts in; its own one unless given. */
  workingFolder?: string | undefined;
  /** Whether its own folder stays; `never` unless given. */
  keepFolder?: FolderKeeping;
  /** Undefined, or Infinity: none. */
  timeLimitSeconds?: number | undefined;
  /** From SIGTERM to SIGKILL; 10 unless given. */
  killGraceSeconds?: number;
  /** Resident memory with all that it has started, MiB; more, and it is killed. Where there is no /proc nobody looks. */
  memoryLimitMiB?: number | undefined;
  /** The most that its result may have, bytes of JSON; 10 MB unless given. */
  resultBytes?: number;
  /** Stops it: SIGTERM, and SIGKILL after the grace time. */
  signal?: AbortSignal | undefined;
  /** Hears how far it is, 0…1. */
  onProgress?: (fraction: number) => void;
  /** Gets what it prints beside its result line by line, at a bounded rate. */
  onLine?: (line: string) => void;
}

/** What came of a run. */
export interface ScriptRun {
  /** What it said; or why it failed; or the reason of the signal that stopped it. */
  ended: { result: ScriptResult } | { failed: ScriptError } | { stopped: unknown };
  /** The last 64 KiB that it wrote to standard error. */
  stderr: string;
  exitCode: number | null;
  exitSignal: NodeJS.Signals | null;
  wallSeconds: number;
  /** Its own folder, where that was kept. */
  keptFolder: string | undefined;
}

const RESULT_BYTES = 10_000_000;
const STDERR_BYTES = 65_536;
/** How much of standard error an error's message has, characters. */
const LAST_WORDS = 2000;
const KILL_GRACE_SECONDS = 10;
/** A lost lease or the end of the daemon's grace time is not argued with for long, seconds. */
const SHORT_GRACE_SECONDS = 1;
/** How long after its end somebody whom it has started may still write to its standard output, ms. */
const LAST_OUTPUT_MS = 1000;
/** How often those who were asked to go are looked for, and how often memory is, ms. */
const LOOK_MS = 20;
const MEMORY_LOOK_MS = 250;
/** setTimeout cannot count further; a limit of more than 24 days is none. */
const LONGEST_MS = 2 ** 31 - 1;
/** "Temporary failure; user is invited to retry". Source: sysexits.h, EX_TEMPFAIL. */
const TRY_AGAIN = 75;

/**
 * Runs a script once, in a process group of its own and without a shell, and waits until it is gone with all that it had
 * started. It never throws: whatever happens is in what it gives.
 *
 * Where we die meanwhile, be it by `kill -9`, a guard beside us kills what it left.
 */
export async function runScript(order: ScriptOrder): Promise<ScriptRun> {
  const script = path.resolve(order.script);
  const environment = scriptEnvironment(order);
  const launch = launchOf(script, order.interpreter, environment.PATH);
  const notRun = { stderr: '', exitCode: null, exitSignal: null, wallSeconds: 0, keptFolder: undefined };
  if ('fault' in launch) return { ...notRun, ended: { failed: new ScriptDiedError({ failure: 'not started', script, message: launch.fault }) } };
  if (order.signal?.aborted === true) return { ...notRun, ended: { stopped: order.signal.reason } };
  if (order.workingFolder !== undefined && !isFolder(order.workingFolder)) {
    return { ...notRun, ended: { failed: new ScriptDiedError({ failure: 'not started', script, message: noFolder(script, order.workingFolder) }) } };
  }
  let folder: ScriptFolder | undefined;
  try {
    folder = await makeFolder(order.folders, path.basename(script));
    guardFromNowOn(folder.ofProcess);
    const run = await new Running(order, script).run(launch, folder.path, environment);
    // What cannot be removed does not make the work undone.
    return { ...run, keptFolder: await folder.end(order.keepFolder ?? 'never', 'result' in run.ended).catch(() => folder?.path) };
  } catch (error) {
    await folder?.end('never', false).catch(() => {});
    return { ...notRun, ended: { failed: notStarted(script, error) } };
  }
}

type Stop = { because: 'signal'; reason: unknown } | { because: 'time limit' } | { because: 'memory limit'; residentMiB: number };

class Running {
  readonly #order: ScriptOrder;
  readonly #script: string;
  readonly #stderr = new LastBytes(STDERR_BYTES);
  readonly #timers: NodeJS.Timeout[] = [];
  #group: ProcessGroup | undefined;
  #stop: Stop | undefined;
  /** Until when those who were asked to go may do so; by `performance.now()`. */
  #patienceUntil = 0;

  constructor(order: ScriptOrder, script: string) {
    this.#order = order;
    this.#script = script;
  }

  /** @throws what kept it from being started */
  async run(launch: Launch, folder: string, environment: Readonly<Record<string, string>>): Promise<Omit<ScriptRun, 'keptFolder'>> {
    const { args = [], input, workingFolder, resultBytes = RESULT_BYTES } = this.#order;
    const startedMs = performance.now();
    const mark = newMark();
    const text = input === undefined ? '' : `${JSON.stringify(input)}\n`;
    const child = spawn(launch.file, [...launch.args, ...args], {
      // A process group of its own, to be killed as a whole, and which Ctrl-C on a terminal does not reach.
      detached: true,
      shell: false,
      cwd: workingFolder ?? folder,
      env: { TMPDIR: folder, ...environment, AFTERGLOW_FOLDER: folder, [MARK]: mark },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const over = ended(child);
    if (child.pid === undefined) await over.started;
    const pid = child.pid!;
    const lines = new NoiseLines((line) => this.#tell(() => this.#order.onLine?.(line)));
    const output = new ScriptOutput({ resultBytes, onProgress: (fraction) => this.#tell(() => this.#order.onProgress?.(fraction)), onNoise: (bytes) => lines.push(bytes) });
    child.stdin.on('error', () => {});
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => this.#stderr.add(chunk));
    this.#group = new ProcessGroup(pid, mark);
    guardGroup(pid);
    goFirst(pid);
    const unwatch = this.#watch();
    try {
      child.stdin.end(text);
      const { code, signal } = await over.exit;
      await this.#clear(pid, over.closed, child);
      sweepLater(mark);
      const block = output.end();
      lines.end();
      const ending = this.#ended(code, signal, () => readResult(this.#script, block, resultBytes, this.#lastWords));
      return { ended: ending, stderr: this.#stderr.text, exitCode: code, exitSignal: signal, wallSeconds: (performance.now() - startedMs) / 1000 };
    } finally {
      unwatch();
      releaseGroup(pid);
    }
  }

  /** Limits and the signal, until what this gives is called. */
  #watch(): () => void {
    const { signal, timeLimitSeconds, memoryLimitMiB, killGraceSeconds = KILL_GRACE_SECONDS } = this.#order;
    const onAbort = (): void => {
      const reason: unknown = signal!.reason;
      const isHasty = reason instanceof LeaseLostError || reason instanceof StoppingError;
      this.#stopIt({ because: 'signal', reason }, isHasty ? Math.min(killGraceSeconds, SHORT_GRACE_SECONDS) : killGraceSeconds);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    if (timeLimitSeconds !== undefined && timeLimitSeconds * 1000 <= LONGEST_MS) {
      this.#timers.push(setTimeout(() => this.#stopIt({ because: 'time limit' }, killGraceSeconds), timeLimitSeconds * 1000));
    }
    const memory = memoryLimitMiB === undefined ? undefined : setInterval(() => {
      const residentMiB = this.#group!.usage()?.residentMiB ?? 0;
      if (residentMiB > memoryLimitMiB) this.#stopIt({ because: 'memory limit', residentMiB: Math.round(residentMiB) }, 0);
    }, MEMORY_LOOK_MS);
    return () => {
      signal?.removeEventListener('abort', onAbort);
      clearInterval(memory);
      for (const timer of this.#timers) clearTimeout(timer);
    };
  }

  /** SIGTERM for everyone, SIGKILL for who is left after the grace time. */
  #stopIt(stop: Stop, graceSeconds: number): void {
    if (this.#stop !== undefined) return;
    this.#stop = stop;
    this.#patienceUntil = performance.now() + graceSeconds * 1000;
    if (graceSeconds <= 0) return void this.#group!.kill();
    this.#group!.signal('SIGTERM');
    this.#timers.push(setTimeout(() => void this.#group!.kill(), Math.min(graceSeconds * 1000, LONGEST_MS)));
  }

  /** The script itself is gone: what it has started goes too. */
  async #clear(pid: number, closed: Promise<void>, child: ChildProcessWithoutNullStreams): Promise<void> {
    if (this.#stop !== undefined) {
      while (performance.now() < this.#patienceUntil && !this.#group!.gone) await delay(LOOK_MS);
      await this.#group!.kill();
    }
    const patience = new AbortController();
    await Promise.race([closed, delay(LAST_OUTPUT_MS, undefined, { signal: patience.signal }).catch(() => {})]);
    patience.abort();
    if (hasMembers(pid)) {
      await this.#group!.kill();
      this.#tell(() => this.#order.onLine?.('(processes that the script had started and left behind were killed)'));
    }
    child.stdout.destroy();
    child.stderr.destroy();
  }

  #ended(exitCode: number | null, signal: NodeJS.Signals | null, result: () => ScriptResult): ScriptRun['ended'] {
    const script = this.#script;
    const stop = this.#stop;
    if (stop?.because === 'signal') return { stopped: stop.reason };
    const fault = (failure: ScriptFault['failure'], sentence: string): ScriptFault => ({ failure, script, message: `The script ${script} ${sentence}`, exitCode, signal, lastWords: this.#lastWords });
    if (stop?.because === 'time limit') return { failed: new ScriptError(fault('time limit', `was stopped: its time limit of ${this.#order.timeLimitSeconds} s is exceeded.`)) };
    if (stop?.because === 'memory limit') {
      return { failed: new ScriptDiedError(fault('memory limit', `was killed: with all that it had started it used ${stop.residentMiB} MiB of memory, its limit is ${this.#order.memoryLimitMiB} MiB.`)) };
    }
    if (signal !== null) {
      const by = signal === 'SIGKILL' ? ': by the kernel where memory ran out, or by somebody' : '';
      return { failed: new ScriptDiedError(fault('signal', `was ended by ${signal}${by}.`)) };
    }
    if (exitCode === TRY_AGAIN) return { failed: new ScriptDiedError(fault('exit code', `ended with exit code ${TRY_AGAIN}: another attempt may succeed.`)) };
    if (exitCode !== 0) return { failed: new ScriptError(fault('exit code', `ended with exit code ${exitCode}.`)) };
    try {
      return { result: result() };
    } catch (error) {
      return { failed: error as ScriptError };
    }
  }

  /** What a listener throws is not the script's, and would end the process. */
  #tell(listener: () => void): void {
    try {
      listener();
    } catch {
      // Whoever listens looks after itself.
    }
  }

  get #lastWords(): string | undefined {
    return this.#stderr.lastWords(LAST_WORDS);
  }
}

interface Over {
  /** Rejects where it could not be started. */
  started: Promise<void>;
  exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** It is gone, and nobody has its output open. */
  closed: Promise<void>;
}

function ended(child: ChildProcessWithoutNullStreams): Over {
  const started = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  started.catch(() => {});
  return {
    started,
    exit: new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal }))),
    closed: new Promise((resolve) => child.once('close', () => resolve())),
  };
}

function notStarted(script: string, cause: unknown): ScriptError {
  const { message } = cause as Error;
  return new ScriptDiedError({ failure: 'not started', script, message: `The script ${script} could not be started: ${message}.` }, { cause });
}

/** The sentence for a working folder that is none. */
export const noFolder = (script: string, folder: string): string => `The script ${script} should start in ${folder}, which is no folder.`;

/** Whether a path is that of a folder. */
export const isFolder = (folder: string): boolean => statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;

function hasMembers(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Where the machine's memory runs out, a script goes before the daemon and the database. From −1000 to 1000; raising it is free to everybody. */
function goFirst(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '500');
  } catch {
    // No Linux, or it is gone already.
  }
}
