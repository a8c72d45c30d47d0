import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DatabaseUnavailableError } from '../../errors.ts';
import { HOLD, type Greeting } from './door.ts';
import { plainEnvironment } from './environment.ts';
import { readServerFile } from './holder.ts';
import { evidence, lastLines, sizeOf } from './log-file.ts';
import { isPrivate, isSocketFolderName, keeperSocketIn, ownerOf, socketFolderOf, type Places } from './places.ts';

/** Our hold on a running server. While any process has one, the server runs. */
export interface Reference extends Greeting {
  socketFolder: string;
  /** Whether the keeper is one that we started. */
  startedByUs: boolean;
  /** Lets go; resolves when others hold the server still, or after it has stopped. */
  release(): Promise<void>;
  /** Called once if the keeper goes away under us; at once if it already has. */
  onLost(callback: (error: DatabaseUnavailableError) => void): void;
}

const POLL_MS = 15;
const GREETING_WITHIN_MS = 10_000;
const WORD_EVERY_MS = 10_000;
const GIVE_UP_MS = 900_000;
const UNEXPLAINED = 3;

/**
 * Holds the server of an initialised cluster, through the keeper that runs or through one that we start.
 *
 * @throws {DatabaseUnavailableError} the keeper says why there is no server; or nothing has come up within a quarter of an hour
 */
export async function hold(places: Places, log: (line: string) => void): Promise<Reference> {
  const keepers: StartedKeeper[] = [];
  try {
    return await holdThrough(keepers, places, log);
  } finally {
    for (const keeper of keepers) keeper.leave();
  }
}

async function holdThrough(keepers: StartedKeeper[], places: Places, log: (line: string) => void): Promise<Reference> {
  const logStart = sizeOf(places.logFile);
  const began = performance.now();
  let wordAt = began + WORD_EVERY_MS;
  for (let unexplained = 0; ; ) {
    const keeper = keepers.at(-1);
    for (const folder of socketFolders(places)) {
      const reference = await greet(folder, places, keeper?.pid);
      if (reference !== undefined) return reference;
    }
    const end = keeper?.ended();
    if (end?.failed !== undefined) throw new DatabaseUnavailableError(end.failed);
    if (end !== undefined && end.code !== 0) unexplained += 1;
    const now = performance.now();
    if (unexplained === UNEXPLAINED || now - began > GIVE_UP_MS) {
      const what = unexplained === UNEXPLAINED ? 'The keeper of the database ends without a word' : 'The database does not come up';
      const lines = evidence(places.cluster, places.logFile, lastLines(places.logFile, logStart));
      throw new DatabaseUnavailableError(`${what}, in ${places.cluster}.${lines}`);
    }
    if (now > wordAt) {
      wordAt = now + WORD_EVERY_MS;
      log(`waiting for PostgreSQL: ${lastLines(places.logFile, logStart).at(-1) ?? 'nothing in its log yet'}`);
    }
    if (keeper === undefined || end !== undefined) keepers.push(startKeeper(places));
    await delay(POLL_MS);
  }
}

/** A keeper that we started, which may find that another has the server. */
interface StartedKeeper {
  pid: number | undefined;
  /** Tells it that we need it no longer, or hold it by now. Our end would tell it too. */
  leave(): void;
  /** How it ended, once it has. */
  ended(): { code: number | null; failed?: string } | undefined;
}

// Its own session and no share in our terminal: it lives as long as the last holder, not as long as we do.
function startKeeper(places: Places): StartedKeeper {
  const log = openSync(places.logFile, 'a');
  const program = fileURLToPath(new URL('keeper.ts', import.meta.url));
  const child = spawn(process.execPath, [program, places.dataDir], {
    stdio: ['pipe', 'pipe', log],
    env: plainEnvironment(),
    cwd: '/',
    detached: true,
  });
  closeSync(log);
  let said = '';
  let end: { code: number | null; failed?: string } | undefined;
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.once('error', (error) => (end = { code: null, failed: `The keeper of the database cannot be started: ${error.message}` }));
  child.once('close', (code) => (end ??= { code, ...(code === 1 && said.startsWith('{') ? (JSON.parse(said) as { failed: string }) : {}) }));
  child.unref();
  (child.stdin as net.Socket).on('error', () => {}).unref();
  (child.stdout as net.Socket).unref();
  return { pid: child.pid, leave: () => child.stdin!.destroy(), ended: () => end };
}

// Ours, and the one that a running server has if its keeper was started with another folder of temporary files.
function socketFolders({ cluster }: Places): string[] {
  const ours = socketFolderOf(cluster);
  const server = readServerFile(cluster);
  const others = server === undefined || server === 'empty' || !isSocketFolderName(server.socketFolder) ? [] : [server.socketFolder];
  return [...new Set([ours, ...others])];
}

// Asks the keeper for a hold; nothing where there is no keeper, or it is about to go.
async function greet(socketFolder: string, places: Places, ourKeeper: number | undefined): Promise<Reference | undefined> {
  if (!isPrivate(socketFolder, ownerOf(places.cluster).uid)) return undefined;
  const socket = net.connect(keeperSocketIn(socketFolder));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const greeting = await new Promise<Greeting | undefined>((resolve) => {
    let heard = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      heard += text;
      if (heard.endsWith('\n')) resolve(JSON.parse(heard) as Greeting);
    });
    socket.on('error', () => resolve(undefined));
    socket.once('close', () => resolve(undefined));
    socket.setTimeout(GREETING_WITHIN_MS, () => resolve(undefined));
    socket.once('connect', () => socket.write(`${HOLD}\n`));
  });
  if (greeting === undefined) {
    socket.destroy();
    return undefined;
  }
  socket.setTimeout(0);
  // A hold alone keeps no process from ending.
  socket.unref();
  return { ...greeting, socketFolder, startedByUs: greeting.keeperPid === ourKeeper, ...lifeOf(socket, closed, places) };
}

function lifeOf(socket: net.Socket, closed: Promise<void>, places: Places): Pick<Reference, 'release' | 'onLost'> {
  let released = false;
  return {
    release() {
      released = true;
      socket.ref();
      socket.end();
      return closed;
    },
    onLost(callback) {
      void closed.then(() => {
        if (released) return;
        const lines = evidence(places.cluster, places.logFile, lastLines(places.logFile));
        callback(new DatabaseUnavailableError(`The keeper of the database in ${places.cluster} is gone, and the database with it.${lines}`));
      });
    },
  };
}
