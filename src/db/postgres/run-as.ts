import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import { DatabaseUnavailableError } from '../../errors.ts';
import type { PostgresBinaries } from './binaries.ts';
import { plainEnvironment } from './environment.ts';
import { ownerOf, type Owner, type Places } from './places.ts';

/** How PostgreSQL's programs are run. */
export interface RunAs {
  /** Words to put before the program and its arguments. */
  prefix: readonly string[];
  /** Whom the cluster and the socket folder must belong to. */
  owner: Owner;
}

const NOBODY: Owner = { uid: 65534, gid: 65534 };
// In this user namespace the programs see themselves as user 65534 and are content, while the kernel goes on checking files as root.
const NAMESPACE = ['unshare', '--user', `--map-user=${NOBODY.uid}`, `--map-group=${NOBODY.gid}`];

/**
 * How to run PostgreSQL, which refuses to run as root. Where util-linux is there, the programs are also told to stop when the
 * process that started them is gone, however it went.
 *
 * An ordinary user runs them plainly. Root runs them in a user namespace, so that files stay root's and a folder that only root may
 * enter is no hindrance. Where that is forbidden (many containers) or of no use (root below a user's closed home folder), they run
 * as the data folder's owner, as the owner of the nearest folder above it that is not root's, or as nobody, whichever works first.
 *
 * @throws {DatabaseUnavailableError} we are root and nothing works
 */
export function runAs(places: Places, binaries: PostgresBinaries): RunAs {
  const stopsWithParent = works(['setpriv', '--pdeathsig', 'INT', 'true'], {}) ? ['setpriv', '--pdeathsig', 'INT'] : [];
  const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  if (self.uid !== 0) return { prefix: stopsWithParent, owner: self };

  const ways: RunAs[] = [];
  const present = statSync(places.cluster, { throwIfNoEntry: false });
  if (present === undefined || present.uid === 0) ways.push({ prefix: [...NAMESPACE, ...stopsWithParent], owner: self });
  for (const owner of [present, nearestOwnerAbove(places.dataDir), NOBODY]) {
    if (owner === undefined || owner.uid === 0) continue;
    const { uid, gid } = owner;
    const become = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--pdeathsig', 'INT'];
    ways.push({ prefix: become, owner: { uid, gid } });
  }
  const way = ways.find(({ prefix }) => reaches(prefix, places, binaries));
  if (way !== undefined) return way;
  throw new DatabaseUnavailableError(
    `PostgreSQL refuses to run as root, and here neither a user namespace (unshare) nor another user (setpriv) can run ` +
      `${binaries.postgres} on ${places.dataDir}. Run as an ordinary user, or set DATABASE_URL to a PostgreSQL of yours.`,
  );
}

// The program runs and may pass through the data folder.
function reaches(prefix: readonly string[], places: Places, binaries: PostgresBinaries): boolean {
  return works([...prefix, 'sh', '-c', '"$0" --version && test -x "$1"', binaries.postgres, places.dataDir], binaries.environment);
}

function works(words: readonly string[], environment: Readonly<Record<string, string>>): boolean {
  return spawnSync(words[0]!, words.slice(1), { stdio: 'ignore', env: plainEnvironment(environment) }).status === 0;
}

function nearestOwnerAbove(folder: string): Owner | undefined {
  const owner = ownerOf(folder);
  if (owner.uid !== 0) return owner;
  const above = path.dirname(folder);
  return above === folder ? undefined : nearestOwnerAbove(above);
}
