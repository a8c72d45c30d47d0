import { setTimeout as delay } from 'node:timers/promises';

/** Looks again and again. @returns whether it came true in time */
export async function untilOr(ms: number, isTrue: () => boolean | Promise<boolean>, everyMs = 20): Promise<boolean> {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    if (await isTrue()) return true;
    await delay(everyMs);
  }
  return false;
}
