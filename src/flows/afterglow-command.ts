import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { CommandFailedError } from '../errors.ts';
import type { JobContext } from '../runner/job.ts';
import type { RetryPolicy } from '../runner/retry-policy.ts';
import { ScriptJobRunner } from '../scripts/script-job-runner.ts';
import { runWork } from '../scripts/script-work.ts';

/** The name of the job that runs our commands. */
export const COMMAND_JOB = 'afterglow command';

/** Arguments of {@link AfterglowCommand}. */
export interface CommandArguments {
  /** The name of the command, e.g. `retry`. */
  command: string;
  /** What stands behind it, each word apart. */
  args: string[];
  /** The login of who wanted it; it acts in this name. */
  user: string;
  /** Where it was given: paths among its words are seen from there. */
  folder: string;
}

/** What a command of ours came to. */
export interface CommandResult {
  exitCode: number;
  /** What it printed; of much the beginning and the end. */
  stdout: string;
  stderr: string;
}

/** What of the daemon's environment its commands need: the same database, the same settings. */
const PASSED = /^(AFTERGLOW_|PG|DATABASE_URL$|REDIS_URL$|ENGINE$|XDG_|NODE_EXTRA_CA_CERTS$)/;

/** A daemon within a job would wait for itself. */
const ENDLESS = new Set(['start', 'worker']);

const output = z.object({ exitCode: z.number().int().nullable(), signal: z.string().nullable(), stdout: z.string(), stderr: z.string() });

/**
 * The job `afterglow command`: what `--queue` makes of a command that changes something. It runs in a process of its own, without a
 * shell, on the daemon's database, and what it printed is the job's result.
 */
export class AfterglowCommand extends ScriptJobRunner<CommandArguments, CommandResult> {
  readonly taskName = COMMAND_JOB;
  override readonly description = 'Runs a command of afterglow that somebody has put into the queue.';
  readonly args = z.object({ command: z.string().regex(/^[a-z][a-z-]*( [a-z][a-z-]*)*$/).refine((name) => !ENDLESS.has(name), 'a command that comes to an end'), args: z.array(z.string()), user: z.string(), folder: z.string() });
  override readonly result = z.object({ exitCode: z.number().int(), stdout: z.string(), stderr: z.string() });
  override readonly script = new URL('captured-command.ts', import.meta.url);
  override readonly interpreter = process.execPath;
  override readonly passedEnvironment: readonly string[] = Object.keys(process.env).filter((name) => PASSED.test(name));
  override readonly timeLimitSeconds = 24 * 3600;
  // What a command did before it failed is not known here, so it is not begun again by itself.
  override readonly retry: Partial<RetryPolicy> = { attempts: 1 };
  readonly #runnersFile: string | undefined;

  /** @param runnersFile the module with the runners of the daemon */
  constructor(runnersFile: string | undefined) {
    super();
    this.#runnersFile = runnersFile === undefined ? undefined : path.resolve(runnersFile);
  }

  override async run(args: CommandArguments, context: JobContext): Promise<CommandResult> {
    const environment = {
      // The socket of the embedded database is found by it.
      TMPDIR: os.tmpdir(), USER: args.user, LOGNAME: args.user, AFTERGLOW_DATA: path.resolve(context.dataFolder), AFTERGLOW_RUNNERS: this.#runnersFile, AFTERGLOW_LOG: 'plain',
    };
    const work = Object.assign(Object.create(this) as this, { environment, workingFolder: existsSync(args.folder) ? args.folder : undefined });
    const said = await runWork(work, { subject: context.job.id, argv: [], input: await this.input(args, context) }, context);
    const { exitCode, signal, stdout, stderr } = output.parse(said.result);
    if (exitCode !== 0) throw new CommandFailedError(args.command, { exitCode, signal, stdout, stderr });
    return { exitCode, stdout, stderr };
  }
}
