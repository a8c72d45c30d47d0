import path from 'node:path';
import { storable } from '../db/storable.ts';
import { PermanentError, type ScriptError } from '../errors.ts';
import type { RunContext } from '../runner/context.ts';
import type { Json, Outcome } from '../runner/outcome.ts';
import type { HookTask, RunHooks } from '../runner/run-hooks.ts';
import { scriptEnvironment } from '../scripts/environment.ts';
import { launchOf } from '../scripts/launch.ts';
import { runScript, type ScriptRun } from '../scripts/run-script.ts';
import { changedOutput, differences, digestInputs, digestOutputs, type Digests } from './digest.ts';
import { hookTask } from './hook-task.ts';
import type { OpenRun } from './open-run.ts';
import type { PlannedTask } from './plan.ts';
import type { RunView, ScriptResultJson } from './run-view.ts';
import { FAILED, SUCCESS, UNCHANGED } from './statuses.ts';

export interface ScriptWorkOptions {
  run: OpenRun;
  view: RunView;
  hooks: RunHooks;
  /** Variables of our environment that scripts get beside those that all get. */
  pass: readonly string[];
}

/** What one attempt of a script does: asks the hooks, looks whether anything has changed, runs it, and keeps what it was made of. */
export class ScriptWork {
  readonly #options: ScriptWorkOptions;
  readonly #open = new Set<Promise<unknown>>();
  readonly #given = new Map<string, Pick<HookTask, 'args' | 'input'>>();

  constructor(options: ScriptWorkOptions) {
    this.#options = options;
  }

  /** Resolves when nothing that was begun here runs any more. */
  async settled(): Promise<void> {
    while (this.#open.size > 0) await Promise.allSettled(this.#open);
  }

  /** The arguments that a script was given last. */
  givenTo(script: string): Pick<HookTask, 'args' | 'input'> {
    return this.#given.get(script) ?? { args: [...this.#options.view.of(script).task.arguments], input: {} };
  }

  readonly execute = (task: PlannedTask, context: RunContext): Promise<Outcome> => {
    const working = this.#execute(task, context).finally(() => this.#open.delete(working));
    this.#open.add(working);
    return working;
  };

  async #execute(task: PlannedTask, context: RunContext): Promise<Outcome> {
    const { run, view } = this.#options;
    const { script } = task;
    const { folder } = run.plan.file;
    view.change(script, { attempt: context.attempt, command: undefined, stdout: '', stderr: '', progress: undefined });
    const asked = await this.#ask(task, context.attempt);
    const parents = new Map(task.parents.map((parent) => [parent, view.of(parent).result]));
    const input: { [key: string]: Json | undefined } = { ...asked.input, job: asked.job.parameters };
    const { inputs, missing } = await digestInputs(task, { folder, args: asked.args, input, parents });
    const kept = await lastSuccess(context, run.name, script);
    const why = await this.#whyRun(task, kept, inputs);
    if (why === undefined) {
      // The last line of the attempt's log is shown as the reason.
      context.log.info(`nothing that it depends on has changed since run ${kept!.number}`);
      return { status: UNCHANGED, result: kept!.result };
    }
    if (kept !== undefined) context.log.info(`runs because ${why}`);
    const ran = await this.#run(task, context, {
      args: asked.args,
      input: { task: task.script, run: { ...asked.run }, ...input, results: Object.fromEntries(parents), attempt: context.attempt, idempotencyKey: context.idempotencyKey },
    });
    return this.#outcome(task, context, ran, { inputs, missing });
  }

  async #ask(task: PlannedTask, attempt: number): Promise<HookTask> {
    const asked = hookTask(this.#options.view, task.script, attempt);
    try {
      await this.#options.hooks.onTaskReady?.(asked);
    } catch (error) {
      throw new PermanentError(`The hook onTaskReady threw for "${task.script}": ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
    if (!Array.isArray(asked.args) || !asked.args.every((arg) => ['string', 'number', 'boolean'].includes(typeof arg))) {
      throw new PermanentError(`The hook onTaskReady must leave "${task.script}" a list of texts and numbers as its arguments; it left ${JSON.stringify(asked.args)}.`);
    }
    asked.args = asked.args.map(String);
    this.#given.set(task.script, { args: asked.args, input: asked.input });
    return asked;
  }

  /** Undefined where the last success stands. */
  async #whyRun(task: PlannedTask, kept: KeptSuccess | undefined, inputs: Digests): Promise<string | undefined> {
    if (this.#options.run.forced) return 'the run is forced';
    if (kept === undefined) return 'it has never succeeded';
    if (task.always) return 'its job says "always"';
    const changes = differences(kept.inputs, inputs);
    if (changes.length > 0) return changes.join(', ');
    const changed = await changedOutput(kept.outputs, this.#options.run.plan.file.folder);
    return changed === undefined ? undefined : `its output "${changed}" is not what it left`;
  }

  async #run(task: PlannedTask, context: RunContext, { args, input }: { args: readonly string[]; input: Json }): Promise<ScriptRun> {
    const { view, run, pass } = this.#options;
    const lines: string[] = [];
    view.change(task.script, { command: commandOf(task.file, args) });
    const ran = await runScript({
      script: task.file, args, input, pass,
      folders: path.join(context.dataFolder, 'scripts'),
      // Paths in arguments and results are meant from here.
      workingFolder: run.plan.file.folder,
      set: {
        AFTERGLOW_TASK: task.script,
        AFTERGLOW_SUBJECT: run.subject,
        AFTERGLOW_ATTEMPT: String(context.attempt),
        AFTERGLOW_IDEMPOTENCY_KEY: context.idempotencyKey,
        AFTERGLOW_PRODUCTS: path.resolve(context.productsFolder),
      },
      timeLimitSeconds: task.timeLimitSeconds ?? undefined,
      signal: context.signal,
      onProgress: (fraction) => {
        context.progress(fraction);
        view.change(task.script, { progress: fraction });
      },
      onLine: (line) => {
        lines.push(line);
        context.log.info(line);
      },
    });
    view.change(task.script, { stdout: lines.join('\n'), stderr: ran.stderr });
    return ran;
  }

  async #outcome(task: PlannedTask, context: RunContext, { ended, stderr }: ScriptRun, of: { inputs: Digests; missing: readonly string[] }): Promise<Outcome> {
    if ('stopped' in ended) throw ended.stopped;
    if ('failed' in ended) throw failure(task, ended.failed, context.attempt);
    const { status, result, warning, cost } = ended.result;
    const { folder } = this.#options.run.plan.file;
    const said = storable({ status, ...result }, 'result') as ScriptResultJson;
    if (status !== SUCCESS) {
      context.log.warn(`the script ended with the status "${status}"${stderr === '' ? '' : `, and wrote to standard error: ${stderr}`}`);
      return { status: FAILED, result: said, warning, cost };
    }
    const { outputs, missing } = await digestOutputs(said, folder);
    const whole = Object.keys(outputs).length === 0 ? said : { ...said, output_hashes: outputs };
    const { name, number } = this.#options.run;
    // In the transaction that ends the attempt: kept together with its status, or not at all.
    await context.em.execute(KEEP, [name, task.script, JSON.stringify(of.inputs), JSON.stringify(whole), JSON.stringify(outputs), number]);
    const caveats = [
      warning,
      missing.length === 0 ? undefined : `it names outputs that are not there: ${missing.join(', ')}`,
      of.missing.length === 0 ? undefined : `its job names inputs that are not there: ${of.missing.join(', ')}`,
    ];
    return { status: SUCCESS, result: whole, warning: caveats.filter((text) => text !== undefined).join('; ') || undefined, cost };
  }
}

/** "Temporary failure; user is invited to retry". Source: sysexits.h, EX_TEMPFAIL. */
const TRY_AGAIN = 75;

/** What a script was last made of, and what came of it. */
interface KeptSuccess {
  inputs: Digests;
  result: Json;
  outputs: Digests;
  number: number;
}

async function lastSuccess(context: RunContext, name: string, script: string): Promise<KeptSuccess | undefined> {
  const [row] = await context.em.execute<KeptSuccess[]>(`select inputs, result, outputs, number from run_success where name = ? and script = ?`, [name, script]);
  return row;
}

const KEEP = `
insert into run_success (name, script, inputs, result, outputs, number, at)
values (?, ?, ?::jsonb, ?::jsonb, ?::jsonb, ?, clock_timestamp())
    on conflict (name, script) do update
   set inputs = excluded.inputs, result = excluded.result, outputs = excluded.outputs, number = excluded.number, at = excluded.at`;

/** The same error, or one that is not worth another attempt: the job says how many there are, but for a script that asks for one. */
function failure({ retries }: PlannedTask, error: ScriptError, attempt: number): Error {
  if (attempt <= retries || error.exitCodeOfScript === TRY_AGAIN) return error;
  return new PermanentError(error.message, { cause: error });
}

/** As a person would type it, to run the script by hand. */
function commandOf(file: string, args: readonly string[]): string {
  const launch = launchOf(file, undefined, scriptEnvironment({}).PATH);
  return ('fault' in launch ? [file, ...args] : [launch.file, ...launch.args, ...args]).map(quoted).join(' ');
}

const quoted = (word: string): string => (/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
