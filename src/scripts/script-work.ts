import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { ScriptError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import type { RunContext } from '../runner/context.ts';
import type { Json } from '../runner/outcome.ts';
import { scriptEnvironment } from './environment.ts';
import { launchOf } from './launch.ts';
import type { ScriptResult } from './read-result.ts';
import { isFolder, noFolder, runScript } from './run-script.ts';
import type { FolderKeeping } from './script-folder.ts';

/** What a runner says of its script, whether it works for objects or for jobs. */
export interface ScriptWork {
  readonly taskName: string;
  readonly script: string | URL;
  readonly interpreter: string | readonly string[] | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly passedEnvironment: readonly string[];
  readonly workingFolder: string | undefined;
  readonly keepFolder: FolderKeeping;
  readonly resultLimitBytes: number;
  readonly memoryLimitMiB: number | undefined;
  readonly killGraceSeconds: number;
}

/** The most that a script's result may have where the register keeps it, bytes: no more than any result. */
export const KEPT_RESULT_BYTES = 1_000_000;
/** Standard error is kept in pieces, each of one or more whole lines and at most so many characters. */
const PIECE = 1900;

/** The path of a runner's script. */
export const pathOf = (script: string | URL): string => (script instanceof URL ? fileURLToPath(script) : path.resolve(script));

/** What keeps a script from being run here, whole sentences. */
export function scriptProblems({ script, interpreter, environment, passedEnvironment, workingFolder }: ScriptWork): string[] {
  if (typeof script !== 'string' && !(script instanceof URL)) return ['It names no script: its field script should be a path or a file URL.'];
  const launch = launchOf(pathOf(script), interpreter, scriptEnvironment({ pass: passedEnvironment, set: environment }).PATH);
  return ['fault' in launch ? launch.fault : undefined, workingFolder === undefined || isFolder(workingFolder) ? undefined : noFolder(pathOf(script), workingFolder)].filter((fault) => fault !== undefined);
}

/**
 * Runs a runner's script for one attempt; its standard error, and what it printed beside its result, become lines of the attempt.
 *
 * @param subject name of the object or the job, for the script
 * @throws {ScriptError} it failed
 * @throws the reason of the context's signal, where that stopped it: when this throws, the script is gone
 */
export async function runWork(work: ScriptWork, { subject, argv, input }: { subject: string; argv: readonly string[]; input: Json }, context: RunContext): Promise<ScriptResult> {
  const { ended, stderr, keptFolder } = await runScript({
    script: pathOf(work.script),
    folders: path.join(context.dataFolder, 'scripts'),
    args: argv.map(String),
    input,
    interpreter: work.interpreter,
    pass: work.passedEnvironment,
    set: {
      ...work.environment,
      AFTERGLOW_TASK: work.taskName,
      AFTERGLOW_SUBJECT: subject,
      AFTERGLOW_ATTEMPT: String(context.attempt),
      AFTERGLOW_IDEMPOTENCY_KEY: context.idempotencyKey,
      AFTERGLOW_PRODUCTS: path.resolve(context.productsFolder),
    },
    workingFolder: work.workingFolder,
    keepFolder: work.keepFolder,
    resultBytes: work.resultLimitBytes,
    memoryLimitMiB: work.memoryLimitMiB,
    killGraceSeconds: work.killGraceSeconds,
    signal: context.signal,
    onProgress: (fraction) => context.progress(fraction),
    onLine: (line) => context.log.info(line),
  });
  for (const piece of pieces(stderr)) context.log.info(piece, { stream: 'stderr' });
  if (keptFolder !== undefined) context.log.info(`its folder was kept: ${keptFolder}`);
  if ('stopped' in ended) throw ended.stopped;
  if ('failed' in ended) throw ended.failed;
  return ended.result;
}

/** The error for a status that nobody knows. */
export function unknownStatus(work: ScriptWork, status: string, known: readonly string[]): ScriptError {
  const script = pathOf(work.script);
  const all = ['success', ...known];
  const meant = nearest(status, all);
  const hint = meant === undefined ? ` Known: ${all.map((name) => `"${name}"`).join(', ')}.` : ` Did you mean "${meant}"?`;
  return new ScriptError({ failure: 'unknown status', script, message: `The script ${script} printed a result with the unknown status ${JSON.stringify(status.slice(0, 100))}.${hint}`, exitCode: 0 });
}

function pieces(text: string): string[] {
  const found: string[] = [];
  let piece = '';
  for (const line of text.trimEnd().split('\n')) {
    if (piece !== '' && piece.length + line.length >= PIECE) {
      found.push(piece);
      piece = '';
    }
    piece = piece === '' ? line : `${piece}\n${line}`;
    for (; piece.length > PIECE; piece = piece.slice(PIECE)) found.push(piece.slice(0, PIECE));
  }
  return [...found, piece].filter((one) => one.trim() !== '');
}
