import { ScriptError } from '../errors.ts';
import type { RunContext } from '../runner/context.ts';
import { JobRunner, skip, type JobContext, type JobSubject, type Skipped } from '../runner/job.ts';
import type { Json, Outcome } from '../runner/outcome.ts';
import type { ScriptResult } from './read-result.ts';
import type { FolderKeeping } from './script-folder.ts';
import { KEPT_RESULT_BYTES, pathOf, runWork, scriptProblems, unknownStatus, type ScriptWork } from './script-work.ts';

/** What a script may say of a job, beside `success`. */
const STATUSES = ['completed', 'skipped', 'failed'] as const;

/**
 * Extend this for a job whose work is a script in any language. It reads one JSON document from standard input, see
 * {@link input}; what it prints as its result, without `status`, `warning` and `cost`, is the job's result.
 *
 * `success` and `completed` complete the job, `skipped` skips it, with what it says as `reason`, and `failed` lets it fail.
 */
export abstract class ScriptJobRunner<Args extends object, Result = unknown> extends JobRunner<Args, Result> implements ScriptWork {
  /** The script: a path, relative to the folder that the daemon works in, or a file URL. */
  abstract readonly script: string | URL;
  /** What runs it, where extension and shebang do not say it: a program, or a program with arguments. */
  readonly interpreter: string | readonly string[] | undefined = undefined;
  /** Variables that the script gets beside PATH, HOME, LANG, TZ and the ones of ours. */
  readonly environment: Readonly<Record<string, string | undefined>> = {};
  /** Names of variables of the daemon's own environment that the script gets too. */
  readonly passedEnvironment: readonly string[] = [];
  /** The folder that the script starts in; undefined: one of its own for every attempt. */
  readonly workingFolder: string | undefined = undefined;
  /** Whether an attempt's own folder is left, in `scripts/kept` of the data folder. */
  readonly keepFolder: FolderKeeping = 'never';
  /** The most bytes of JSON that its result may have. */
  readonly resultLimitBytes: number = KEPT_RESULT_BYTES;
  override readonly isolation = 'script';

  /** The arguments of the script's command line; none unless overridden. */
  argv(_args: Args): readonly string[] {
    return [];
  }

  /** What the script reads from standard input. Unless overridden: the job's arguments, and the results of its parents in their order. */
  async input(args: Args, context: JobContext): Promise<Json> {
    const { attempt, idempotencyKey, job } = context;
    return { task: this.taskName, job, args: args as unknown as Json, parents: await context.parentResults(), attempt, idempotencyKey };
  }

  override problems(): readonly string[] {
    return scriptProblems(this);
  }

  /** Runs the script and gives its result. */
  async run(args: Args, context: JobContext): Promise<Result | Skipped> {
    const said = await runWork(this, { subject: context.job.id, argv: this.argv(args), input: await this.input(args, context) }, context);
    heardOf.get(context.log)?.(said);
    const { status, result } = said;
    if (status === 'success' || status === 'completed') return (result ?? null) as Result;
    const { reason, ...details } = result ?? {};
    if (status === 'skipped') return skip(typeof reason === 'string' ? reason : 'the script skipped it', details);
    if (status !== 'failed') throw unknownStatus(this, status, STATUSES);
    const script = pathOf(this.script);
    const why = result === undefined ? '.' : `: ${(typeof reason === 'string' ? reason : JSON.stringify(result)).slice(0, 1000)}`;
    throw new ScriptError({ failure: 'said so', script, message: `The script ${script} said that it failed${why}`, exitCode: 0 });
  }

  /** A script's warning and cost are kept beside its result. */
  override async runProcess(job: JobSubject, context: RunContext): Promise<string | Outcome> {
    let said: ScriptResult | undefined;
    const log: RunContext['log'] = { info: (...line) => context.log.info(...line), warn: (...line) => context.log.warn(...line) };
    heardOf.set(log, (heard) => {
      said = heard;
    });
    const outcome = await super.runProcess(job, Object.create(context, { log: { value: log, enumerable: true } }) as RunContext);
    return typeof outcome === 'string' ? outcome : { ...outcome, warning: said?.warning, cost: said?.cost };
  }
}

/** Who hears what a script said in full, by the log of its attempt: `run` gives the result alone. */
const heardOf = new WeakMap<RunContext['log'], (said: ScriptResult) => void>();
