// A small process beside a daemon that runs scripts. When the daemon is gone, however it went, nothing of its scripts is left:
// what still runs is killed, and their folders are removed. The daemon says on standard input which process groups it has
// started and which are over, one line each; that the input ends is how the guard knows. At the word `leave` it only goes.
import { rmSync } from 'node:fs';
import readline from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { isCertainlyDead, type ProcessIdentity } from '../daemon/process-identity.ts';
import { sweep } from '../isolation/sweep.ts';

/** How often it is looked for what is left, ms, and for how long. */
const LOOK_MS = 20;
const LOOKS = 250;
/** After so many looks that found nobody. */
const ENOUGH = 3;

const [, , folder = '', daemon = '{}'] = process.argv;
const owner = JSON.parse(daemon) as ProcessIdentity;
const groups = new Set<number>();

// Whoever stops the daemon may stop all that it has started; this one goes when its work is done.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

let isSentAway = false;
for await (const line of readline.createInterface({ input: process.stdin })) {
  if (line === 'leave') isSentAway = true;
  const group = Number(line.slice(1));
  if (line.startsWith('+')) groups.add(group);
  else groups.delete(group);
}
if (!isSentAway) await clear();

async function clear(): Promise<void> {
  for (const group of groups) kill(group);
  for (let looks = 0, nobody = 0; looks < LOOKS && nobody < ENOUGH; looks += 1) {
    // Where there is no /proc it can only be told by the groups.
    const isOver = owner.machine === '' || isCertainlyDead(owner);
    nobody = isOver && sweep().length === 0 ? nobody + 1 : 0;
    await delay(LOOK_MS);
  }
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
}

function kill(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // It has gone by itself.
  }
}
