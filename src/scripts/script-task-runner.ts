import type { RunContext } from '../runner/context.ts';
import type { Json, Outcome } from '../runner/outcome.ts';
import { SubjectTaskRunner } from '../runner/runner.ts';
import type { Transient } from '../runner/transient.ts';
import { PROCESSING } from '../status/status.ts';
import type { FolderKeeping } from './script-folder.ts';
import { KEPT_RESULT_BYTES, runWork, scriptProblems, unknownStatus, type ScriptWork } from './script-work.ts';

/**
 * Extend this for a task whose work is a script in any language, started without a shell once for every object:
 *
 * ```ts
 * export class Flux extends TransientScriptRunner {
 *   readonly taskName = 'Flux';
 *   readonly schedule = '* * * * *';
 *   readonly prerequisites = { 'Host match': 'processed' };
 *   readonly failedStatusMessage = 'failed';
 *   readonly script = new URL('flux.py', import.meta.url);
 * }
 * ```
 *
 * The script reads one JSON document from standard input, see {@link input}, and prints its result, a JSON object with a
 * `status`, between the lines `== RESULT START ==` and `== RESULT END ==`. docs/scripts.md has the whole of it.
 */
export abstract class ScriptTaskRunner<Subject extends { id: string; name: string }> extends SubjectTaskRunner<Subject> implements ScriptWork {
  /** The script: a path, relative to the folder that the daemon works in, or a file URL. */
  abstract readonly script: string | URL;
  /** What runs it, where extension and shebang do not say it: a program, or a program with arguments, e.g. `['uv', 'run', 'python']`. */
  readonly interpreter: string | readonly string[] | undefined = undefined;
  /** Variables that the script gets beside PATH, HOME, LANG, TZ and the ones of ours. */
  readonly environment: Readonly<Record<string, string | undefined>> = {};
  /** Names of variables of the daemon's own environment that the script gets too, e.g. `['NED_API_KEY']`. */
  readonly passedEnvironment: readonly string[] = [];
  /** The folder that the script starts in; undefined: one of its own for every attempt. */
  readonly workingFolder: string | undefined = undefined;
  /** Whether an attempt's own folder is left, in `scripts/kept` of the data folder. */
  readonly keepFolder: FolderKeeping = 'never';
  /** The most bytes of JSON that its result may have. */
  readonly resultLimitBytes: number = KEPT_RESULT_BYTES;
  /** The status that `success` stands for. */
  readonly successStatusMessage: string = 'processed';
  override readonly isolation = 'script';

  /** The arguments of the script's command line; none unless overridden. */
  argv(_subject: Subject): readonly string[] {
    return [];
  }

  /** What the script reads from standard input. Unless overridden: the object, and the results of the tasks that its prerequisites name. */
  async input(subject: Subject, context: RunContext): Promise<Json> {
    const results: Record<string, Json> = {};
    for (const task of Object.keys(this.prerequisites)) {
      if (task !== this.taskName) results[task] = (await context.result(task)) ?? null;
    }
    return { task: this.taskName, kind: this.kind, subject: subject as unknown as Json, results, attempt: context.attempt, idempotencyKey: context.idempotencyKey };
  }

  override problems(): readonly string[] {
    return scriptProblems(this);
  }

  /** Runs the script; `success` becomes {@link successStatusMessage}, any other status must be a known one. */
  async runProcess(subject: Subject, context: RunContext): Promise<Outcome> {
    const said = await runWork(this, { subject: subject.name, argv: this.argv(subject), input: await this.input(subject, context) }, context);
    const status = said.status === 'success' ? this.successStatusMessage : said.status;
    const known = this.#known(context);
    if (known !== undefined && !known.includes(status)) throw unknownStatus(this, status, known);
    return { ...said, status };
  }

  /** The statuses that it may leave; undefined where nobody knows. */
  #known({ statuses }: RunContext): string[] | undefined {
    const known = this.returns === undefined ? statuses : [...this.returns, this.failedStatusMessage];
    return known === undefined ? undefined : [...known].filter((status) => status !== PROCESSING);
  }
}

/** Extend this to run one script for every transient. */
export abstract class TransientScriptRunner extends ScriptTaskRunner<Transient> {
  readonly kind: string = 'transient';
}
