// The keeper of an embedded PostgreSQL: a process of its own that starts the server, counts who holds it, and stops it after the last.
// A holder is an open socket, so that one which was killed is counted off as surely as one which said goodbye.
//
// Run as `node keeper.ts <data folder>` by whoever finds no keeper, with a pipe as standard input that is closed when whoever it was has a
// server or is gone: if nobody else came meanwhile, there is nothing to keep. It ends with code 0 when it has stopped the server or
// another keeper has it, and with 1 after it has said on standard output, as {"failed": "…"}, why there is no server.
import { realpathSync, rmdirSync, utimesSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseUnavailableError } from '../../errors.ts';
import { findBinaries } from './binaries.ts';
import { answers, openDoor, type Door } from './door.ts';
import { majorOf } from './initialise.ts';
import { rotate } from './log-file.ts';
import { keeperSocketIn, placesIn, socketFolderOf } from './places.ts';
import { runAs } from './run-as.ts';
import type { Server, ServerSetting } from './server.ts';
import { takeServer } from './take.ts';

const FIRST_HOLDER_WITHIN_MS = 10_000;
const HOUSEKEEPING_MS = 600_000;
const RESTARTS = 3;
const RESTARTS_WITHIN_MS = 60_000;

/** Has the server run for as long as anybody holds it. */
async function keep(dataDir: string): Promise<void> {
  const setting = settingFor(dataDir);
  rotate(setting.places.logFile);
  const housekeeping = setInterval(() => keepHouse(setting), HOUSEKEEPING_MS);
  let server: Server | undefined;
  let door: Door | undefined;
  try {
    server = await takeServer(setting, async (socketFolder) => isUnwanted || answers(keeperSocketIn(socketFolder)));
    if (server === undefined) return;
    const greeting = () => ({ keeperPid: process.pid, serverPid: server!.pid });
    const nobodyComes = Promise.race([unwanted, delay(FIRST_HOLDER_WITHIN_MS)]);
    door = await openDoor(keeperSocketIn(setting.socketFolder), setting.runAs.owner, greeting, nobodyComes);
    const ends: number[] = [];
    while (await endsBeforeEveryoneLeaves(server, door)) {
      note(`the server (process ${server.pid}) is gone while it is needed`);
      ends.push(performance.now());
      if (ends.filter((at) => performance.now() - at < RESTARTS_WITHIN_MS).length > RESTARTS) {
        throw new DatabaseUnavailableError(`PostgreSQL ended more than ${RESTARTS} times within a minute on ${setting.places.cluster}.`);
      }
      server = (await takeServer(setting, async () => false))!;
    }
  } finally {
    clearInterval(housekeeping);
    door?.close();
    await server?.stop();
    removeIfEmpty(setting.socketFolder);
  }
}

function settingFor(dataDir: string): ServerSetting {
  const found = placesIn(dataDir);
  const places = { ...found, cluster: realpathSync(found.cluster) };
  const binaries = findBinaries({ major: majorOf(places.cluster), linkFolder: places.linkFolder });
  return { places, binaries, runAs: runAs(places, binaries), socketFolder: socketFolderOf(places.cluster) };
}

async function endsBeforeEveryoneLeaves(server: Server, door: Door): Promise<boolean> {
  return Promise.race([door.everyoneLeft.then(() => false), server.exited.then(() => true)]);
}

function keepHouse({ places, socketFolder }: ServerSetting): void {
  rotate(places.logFile);
  try {
    // Cleaners of temporary folders go by age; PostgreSQL does the same for its own socket.
    utimesSync(keeperSocketIn(socketFolder), new Date(), new Date());
  } catch (error) {
    note(`the socket of the keeper cannot be reached any more: ${(error as Error).message}`);
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // the next server is already using it
  }
}

// Standard error is the server's log.
function note(line: string): void {
  console.error(`${new Date().toISOString()} keeper ${process.pid}: ${line}`);
}

// What ends a terminal's or a service's processes ends those who hold the server, and the server after them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => note(`${signal} is left to those who hold the server`));
// Whoever listened on standard output may be gone.
process.stdout.on('error', () => {});
let isUnwanted = false;
const unwanted = new Promise<void>((resolve) => process.stdin.on('error', () => resolve()).on('end', resolve).on('close', resolve).resume());
void unwanted.then(() => (isUnwanted = true));

try {
  await keep(process.argv[2]!);
  process.exit(0);
} catch (error) {
  const message = error instanceof DatabaseUnavailableError ? error.message : `The keeper of the database failed: ${(error as Error).stack}`;
  note(message);
  try {
    writeSync(1, `${JSON.stringify({ failed: message })}\n`);
  } catch {
    // nobody listens
  }
  process.exit(1);
}
