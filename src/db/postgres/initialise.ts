import { spawn } from 'node:child_process';
import { chownSync, closeSync, existsSync, fsyncSync, lstatSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { DatabaseUnavailableError } from '../../errors.ts';
import { findBinaries, type PostgresBinaries } from './binaries.ts';
import { plainEnvironment } from './environment.ts';
import { evidence } from './log-file.ts';
import { placesIn, type Places } from './places.ts';
import { isAlive } from './processes.ts';
import { runAs } from './run-as.ts';

/** The only login of an embedded server. It needs no password: the socket folder lets nobody else in. */
export const USER = 'afterglow';

const ABANDONED_AFTER_MS = 3_600_000;

/**
 * Makes the data folder and, where it is absent, the cluster in it. The cluster comes into being by one rename after everything is on
 * disk, so that there is a whole one or none; of several processes that try at once, one wins and the others use its work.
 *
 * @returns the places, as real paths
 * @throws {DatabaseUnavailableError} a folder cannot be made or written to, something else lies there, or initdb failed
 */
export async function initialise(dataDir: string, log: (line: string) => void): Promise<Places> {
  const places = makeDataDir(dataDir);
  removeAbandoned(places);
  if (isInitialised(places)) return places;
  const binaries = findBinaries({ linkFolder: places.linkFolder });
  log(`making a PostgreSQL ${binaries.version} data folder in ${places.cluster}`);
  await initialiseWith(places, binaries);
  return places;
}

/**
 * The major version that made a cluster.
 *
 * @throws {DatabaseUnavailableError} the cluster is another user's
 */
export function majorOf(cluster: string): number {
  try {
    return Number.parseInt(readFileSync(path.join(cluster, 'PG_VERSION'), 'utf8'), 10);
  } catch (error) {
    throw new DatabaseUnavailableError(`The database in ${cluster} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function makeDataDir(dataDir: string): Places {
  try {
    mkdirSync(dataDir, { recursive: true });
    const places = placesIn(realpathSync(dataDir));
    // People move databases to bigger disks and leave a link.
    const isLink = lstatSync(places.cluster, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
    return isLink ? { ...places, cluster: realpathSync(places.cluster) } : places;
  } catch (error) {
    throw new DatabaseUnavailableError(`The data folder ${path.resolve(dataDir)} cannot be made: ${(error as Error).message}`, { cause: error });
  }
}

function isInitialised({ cluster }: Places): boolean {
  try {
    const entries = readdirSync(cluster);
    if (entries.includes('PG_VERSION')) return true;
    if (entries.length === 0) return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw new DatabaseUnavailableError(`The database in ${cluster} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  throw new DatabaseUnavailableError(`${cluster} is not empty and is no PostgreSQL data folder. Move it away, or choose another data folder.`);
}

async function initialiseWith(places: Places, binaries: PostgresBinaries): Promise<void> {
  const { prefix, owner } = runAs(places, binaries);
  const fresh = makeFresh(places);
  try {
    if (process.getuid?.() !== owner.uid) chownSync(fresh, owner.uid, owner.gid);
    const flags = ['-U', USER, '-A', 'trust', '-E', 'UTF8', ...localeFlags(binaries.major), '--no-instructions'];
    const words = [...prefix, binaries.initdb, '-D', fresh, ...flags];
    const { code, output } = await run(words, plainEnvironment(binaries.environment));
    if (code !== 0) {
      const hint = evidence(places.dataDir, '', []);
      throw new DatabaseUnavailableError(`${binaries.initdb} could not make a database in ${places.cluster}:\n${output}${hint}`);
    }
    putInPlace(fresh, places);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function makeFresh({ cluster }: Places): string {
  try {
    return mkdtempSync(`${cluster}.init-${process.pid}-`);
  } catch (error) {
    throw new DatabaseUnavailableError(
      `No database can be made in ${path.dirname(cluster)}: ${(error as Error).message}${evidence(path.dirname(cluster), '', [])}`,
      { cause: error },
    );
  }
}

function putInPlace(fresh: string, places: Places): void {
  try {
    renameSync(fresh, places.cluster);
  } catch (error) {
    if (existsSync(path.join(places.cluster, 'PG_VERSION'))) return; // somebody else was faster
    throw new DatabaseUnavailableError(`The new database cannot be moved to ${places.cluster}: ${(error as Error).message}`, { cause: error });
  }
  const parent = openSync(path.dirname(places.cluster), 'r');
  fsyncSync(parent);
  closeSync(parent);
}

// What a killed initialisation left: its process is gone, or it is an hour old (the number may be another process by now).
function removeAbandoned({ cluster }: Places): void {
  const folder = path.dirname(cluster);
  for (const name of readdirSync(folder)) {
    const pid = new RegExp(`^${path.basename(cluster)}\\.init-(\\d+)-`).exec(name)?.[1];
    if (pid === undefined) continue;
    const madeAt = statSync(path.join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (!isAlive(Number(pid)) || Date.now() - madeAt > ABANDONED_AFTER_MS) rmSync(path.join(folder, name), { recursive: true, force: true });
  }
}

// Text is UTF-8 and sorts by code point, whatever the machine's locale; the builtin provider came with PostgreSQL 17.
function localeFlags(major: number): string[] {
  return major >= 17 ? ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'] : ['--locale=C'];
}

function run(words: readonly string[], env: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const child = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'ignore', 'pipe'], env, cwd: '/' });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, output: error.message }));
    child.once('close', (code) => resolve({ code, output: output.trim() }));
  });
}
