import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { glob, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { Json } from '../runner/outcome.ts';
import type { PlannedTask } from './plan.ts';

/** What something was made of: name → sha-256, hexadecimal. */
export type Digests = Readonly<Record<string, string>>;

/** What a script's work depends on, beside its own text. */
export interface TaskInputs {
  /** Absolute; where `inputs` are looked for. */
  folder: string;
  args: readonly string[];
  /** What `onTaskReady` and the job's parameters add to its standard input. */
  input: Json;
  /** Script → result. */
  parents: ReadonlyMap<string, Json | undefined>;
}

/**
 * Digests of all that a script depends on, by names for people.
 *
 * @returns `missing`: those of `inputs` that no file is meant by
 */
export async function digestInputs(task: PlannedTask, { folder, args, input, parents }: TaskInputs): Promise<{ inputs: Digests; missing: string[] }> {
  const digests: Record<string, string> = { 'the script': await digestFile(task.file), 'its arguments': digestJson([args, input]) };
  for (const [script, result] of parents) digests[`the result of "${script}"`] = digestJson(result ?? null);
  const { files, missing } = await filesOf(task.inputs, folder);
  for (const file of files) digests[`the file "${file}"`] = await digestFile(path.resolve(folder, file));
  return { inputs: digests, missing };
}

/**
 * Digests of the files that a result names as its outputs (`output_url`, `output_urls`, `files`), by the names that it gives them.
 * Addresses of other machines are left alone.
 *
 * @returns `missing`: those that are not there
 */
export async function digestOutputs(result: Json, folder: string): Promise<{ outputs: Digests; missing: string[] }> {
  const outputs: Record<string, string> = {};
  const missing: string[] = [];
  for (const name of outputsOf(result)) {
    const file = localFile(name, folder);
    if (file === undefined) continue;
    const digest = await digestFile(file).catch(() => undefined);
    if (digest === undefined) missing.push(name);
    else outputs[name] = digest;
  }
  return { outputs, missing };
}

/** The first output that is not what it was, if any. */
export async function changedOutput(outputs: Digests, folder: string): Promise<string | undefined> {
  for (const [name, digest] of Object.entries(outputs)) {
    const file = localFile(name, folder);
    if (file !== undefined && (await digestFile(file).catch(() => undefined)) !== digest) return name;
  }
  return undefined;
}

/** What differs between two sets of digests, for people. */
export function differences(before: Digests, now: Digests): string[] {
  const changed = Object.keys(now).filter((name) => name in before && before[name] !== now[name]).map((name) => `${name} has changed`);
  const added = Object.keys(now).filter((name) => !(name in before)).map((name) => `${name} is new`);
  const gone = Object.keys(before).filter((name) => !(name in now)).map((name) => `${name} is gone`);
  return [...changed, ...added, ...gone];
}

/** The same for equal values, in whatever order their keys come. */
function digestJson(value: Json): string {
  return createHash('sha256').update(JSON.stringify(value, (_key, inner: unknown) => (isObject(inner) ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1))) : inner))).digest('hex');
}

async function digestFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** The files that paths and patterns mean, of folders all that lies in them; in the order of their names. */
async function filesOf(inputs: readonly string[], folder: string): Promise<{ files: string[]; missing: string[] }> {
  const found = await Promise.all(inputs.map((input) => filesOfInput(input, folder)));
  return { files: [...new Set(found.flat())].toSorted(), missing: inputs.filter((_, place) => found[place]!.length === 0) };
}

async function filesOfInput(input: string, folder: string): Promise<string[]> {
  const found = await stat(path.resolve(folder, input)).catch(() => undefined);
  if (found?.isFile()) return [input];
  const files: string[] = [];
  for await (const file of glob(found?.isDirectory() ? path.posix.join(input, '**') : input, { cwd: folder })) if (await isFile(path.resolve(folder, file))) files.push(file);
  return files;
}

const isFile = (file: string): Promise<boolean> => stat(file).then((found) => found.isFile(), () => false);

function outputsOf(result: Json): string[] {
  if (!isObject(result)) return [];
  const named = [result.output_url, result.output_urls, result.files].flat();
  return named.filter((name) => typeof name === 'string');
}

function localFile(name: string, folder: string): string | undefined {
  if (name.startsWith('file://')) return URL.canParse(name) ? fileURLToPath(name) : undefined;
  return /^[a-z][a-z0-9+.-]+:/i.test(name) ? undefined : path.resolve(folder, name);
}

const isObject = (value: unknown): value is { readonly [key: string]: Json | undefined } => typeof value === 'object' && value !== null && !Array.isArray(value);
