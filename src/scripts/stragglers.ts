import { environmentOf, readProcesses } from '../isolation/process-table.ts';
import { MARK } from '../isolation/mark.ts';

/** How long after the end of a script it is looked for what has left its process group, ms; one look for all that ended meanwhile. */
const LOOK_MS = 500;

/** Marks of scripts that are over, and how often they are still looked for. */
const ended = new Map<string, number>();
let timer: NodeJS.Timeout | undefined;

/**
 * Kills, soon, what a script has left behind outside its process group: found by the mark in its environment, where there is a
 * /proc. Where we end before that, the guard does it.
 */
export function sweepLater(mark: string): void {
  // Twice, for what was just being started at the first look.
  ended.set(mark, 2);
  timer ??= setInterval(look, LOOK_MS).unref();
}

function look(): void {
  for (const { pid } of readProcesses()) {
    if (!ended.has(environmentOf(pid, MARK) ?? '')) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has gone by itself.
    }
  }
  for (const [mark, looks] of ended) {
    if (looks > 1) ended.set(mark, looks - 1);
    else ended.delete(mark);
  }
  if (ended.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}
