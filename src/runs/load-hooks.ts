import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import type { RunHooks } from '../runner/run-hooks.ts';

const NAMES = ['onTaskReady', 'onTaskComplete', 'onTaskFail'] as const;

/**
 * Loads a hooks file, TypeScript or JavaScript.
 *
 * @throws {ConfigError} it is not there, cannot be loaded, exports no hook, or something that is nearly called like one
 */
export async function loadHooks(file: string): Promise<RunHooks> {
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(path.resolve(file)).href)) as Record<string, unknown>;
  } catch (error) {
    throw new ConfigError(`The hooks of ${file} cannot be loaded: ${(error as Error).message}`, { cause: error });
  }
  for (const [name, value] of Object.entries(module)) {
    const meant = nearest(name, NAMES);
    if (!NAMES.some((known) => known === name) && meant !== undefined) throw new ConfigError(`${file} exports "${name}"; did you mean "${meant}"?`);
    if (meant === name && typeof value !== 'function') throw new ConfigError(`${file} must export "${name}" as a function; it is ${typeof value}.`);
  }
  if (!NAMES.some((name) => name in module)) throw new ConfigError(`${file} must export at least one of ${NAMES.join(', ')}; it exports ${Object.keys(module).join(', ') || 'nothing'}.`);
  return module;
}
