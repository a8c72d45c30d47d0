/**
 * The thread beside a daemon's main loop. It has a connection of its own and does not depend on the loop in anything: it
 * renews the leases, beats the daemon's heart, and says when the loop stands still and who holds it up.
 *
 * What can wait goes to the daemon's log through the main loop; what is to be said while the loop stands still is written from here.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { clientOptions } from '../db/address.ts';
import { describeCulprit, findCulprit, type Culprit } from './culprit.ts';
import { DEBUGGED, PULSE, pulseMs, RUNNING, type Heard, type ThreadSetting, type Told } from './messages.ts';
import { OwnConnection } from './own-connection.ts';
import { Renewals } from './renewals.ts';
import { Standstill } from './standstill.ts';

/** A main loop that is in native code cannot be asked; after this time its attempts are named instead, milliseconds. */
const MOST_PATIENCE_MS = 2000;
/** Attempts that a line names at most. */
const MOST_NAMES = 5;

const setting = workerData as ThreadSetting;
const shared = new Int32Array(setting.shared);
const lookMs = pulseMs(setting.standstillSeconds);

/** A person who debugs the main loop may hold it as long as he likes. */
const isDebugged = (): boolean => Atomics.load(shared, DEBUGGED) === 1;

const tell = (heard: Heard): void => parentPort!.postMessage(heard); // oxlint-disable-line unicorn/require-post-message-target-origin

/** Writes a line to the daemon's log past the main loop. Loaded when it is needed: it would double what this thread takes of memory. */
async function say(fields: object, message: string): Promise<void> {
  try {
    const { createLog } = await import('../log.ts');
    createLog(setting.logFormat).error(fields, message);
  } catch (error) {
    tell({ type: 'log', level: 'warn', message, fields: { ...fields, err: error } });
  }
}

/** One time that the main loop stands still. */
interface Episode {
  culprit?: Culprit;
  /** Where nobody could be found: what was in hand. */
  suspects?: string;
}
let episode: Episode = {};
/** The troubles that the main loop knows of. */
let told: readonly string[] = [];
let looking: Promise<Culprit | undefined> | undefined;

async function onStill(seconds: number): Promise<void> {
  if (isDebugged()) return;
  const now = episode;
  const lost = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), Math.min(MOST_PATIENCE_MS, setting.standstillSeconds * 1000)));
  const found = await Promise.race([look(now), lost]);
  const still = `the main loop has not turned for ${Math.round(seconds)} s`;
  if (found === undefined) {
    now.suspects = named(MOST_NAMES);
    return say({ seconds, attempts: named(Infinity) }, `${still}; it is in native code and cannot be asked. In hand: ${now.suspects}`);
  }
  const { task, subject, attempt, place, stack } = found;
  return say({ seconds, task, subject, attempt, place, stack }, `${still}: ${describeCulprit(found)}`);
}

// The main thread answers when it is back from native code, which may be late; it is asked once at a time.
async function look(now: Episode): Promise<Culprit | undefined> {
  looking ??= findCulprit();
  const found = await looking;
  looking = undefined;
  // Back in the loop, it was nobody's code that was met.
  if (found?.task !== undefined || found?.place !== undefined) now.culprit = found;
  return now.culprit;
}

/** What others can read of us with the next beat. */
function troubles(): readonly string[] {
  if (!isStill()) return told;
  return [...told, `the main loop has not turned for ${Math.round(standstill.silentMs / 1000)} s${holder(episode)}`];
}

/** Who holds the loop up, as far as it has been found out. */
function holder({ culprit, suspects }: Episode): string {
  if (suspects === undefined) return culprit === undefined ? '' : `: ${describeCulprit(culprit)}`;
  // Whoever is met first on the way back is likely, but not certain.
  return `: in native code${culprit === undefined ? '' : `, then ${describeCulprit(culprit)}`}; in hand were ${suspects}`;
}

function onOver(seconds: number): void {
  tell({ type: 'standstill', seconds, holder: holder(episode) });
  episode = {};
}

function isStill(): boolean {
  return standstill.isStill && !isDebugged();
}

function named(most: number): string {
  const { held } = renewals;
  const names = held.slice(0, most).map(({ task, subject }) => `"${task}" of ${subject}`);
  if (held.length > most) names.push(`${held.length - most} more`);
  return names.join(', ') || 'nothing';
}

const standstill = new Standstill(setting.standstillSeconds, lookMs, { onStill: (seconds) => void onStill(seconds), onOver });
const watching = setInterval(() => standstill.look(Atomics.load(shared, PULSE), performance.now()), lookMs);

const connection = new OwnConnection(clientOptions(setting.address), Math.min(Math.max((setting.leaseSeconds * 1000) / 3, 2000), 5000));
const renewals = new Renewals({
  setting, tell, troubles,
  run: (statement, params) => connection.run(statement, params),
  running: () => Atomics.load(shared, RUNNING),
  silentMs: () => standstill.silentMs,
  isStill,
  culprit: () => episode.culprit,
  onGivenUp: ({ task, subject, attempt, timeLimitSeconds }) =>
    void say({ task, subject, attempt, timeLimitSeconds }, `"${task}" of ${subject} is far over its time limit of ${timeLimitSeconds} s and cannot be ended, because the main loop stands still: its lease is no longer renewed`),
});
renewals.start();

parentPort!.on('message', (news: Told) => {
  renewals.take(news);
  told = news.troubles ?? told;
  if (news.stop === true) void end();
});
tell({ type: 'ready' });

async function end(): Promise<void> {
  clearInterval(watching);
  await renewals.stop();
  await connection.close();
  parentPort!.close();
}
