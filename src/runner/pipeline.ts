import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { EntityName, MigrationObject } from '@mikro-orm/postgresql';
import { ConfigError } from '../errors.ts';
import type { Flow } from './flow.ts';
import type { Hook } from './hook.ts';
import type { TaskRunner } from './runner.ts';

/** What a module of runners exports, `runners/index.ts` for one. */
export interface Pipeline {
  /** Every runner, one instance each. */
  periodicRunners: readonly TaskRunner[];
  /** MikroORM entities of the tables that the runners keep their results in. */
  entities?: readonly EntityName<object>[];
  /** Migrations that make those tables, oldest first; names must be unique and never change. */
  migrations?: readonly MigrationObject[];
  /** A `select` with one row per transient and a column `name`; `afterglow export` adds the statuses to it. */
  exportQuery?: string;
  /** What is done before and after attempts, in this order. */
  hooks?: readonly Hook[];
  /** What the checkpoints that runners say mean. */
  flows?: readonly Flow[];
}

/**
 * Loads a module of runners.
 *
 * @param file path of the module, relative to the working folder
 * @throws {ConfigError} there is no such file, it cannot be loaded, or it exports no list `periodicRunners`
 */
export async function loadPipeline(file: string): Promise<Pipeline> {
  const url = pathToFileURL(path.resolve(file)).href;
  let module: Partial<Pipeline>;
  try {
    module = (await import(url)) as Partial<Pipeline>;
  } catch (error) {
    throw new ConfigError(`The runners of ${file} cannot be loaded: ${(error as Error).message}`, { cause: error });
  }
  if (!Array.isArray(module.periodicRunners)) {
    throw new ConfigError(`${file} must export a list "periodicRunners" of runner instances; it exports ${Object.keys(module).join(', ') || 'nothing'}.`);
  }
  return module as Pipeline;
}
