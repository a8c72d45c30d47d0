import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { show } from './words.ts';
import type { World } from './world.ts';

/** Node 24.21 has 42 MiB resident before it has loaded anything, and 130 with the shipped runners (measured on Linux). */
const LEAST_MIB = 64;
/** 16 TiB. */
const MOST_MIB = 16_777_216;
/** Node's timers hold 2^31 − 1 milliseconds; a longer one fires at once (Node documentation, `setTimeout`). */
const LONGEST_SECONDS = 2_147_483;

/** Memory limits that are none, or that nobody would enforce; grace times that are none. */
export function* isolation({ declarations }: World): Generator<Finding> {
  for (const { label, system, taskName, isolation: how, memoryLimitMiB, killGraceSeconds } of declarations) {
    if (system) continue;
    if (memoryLimitMiB !== undefined) {
      if (typeof memoryLimitMiB !== 'number' || !Number.isInteger(memoryLimitMiB) || memoryLimitMiB < LEAST_MIB || memoryLimitMiB > MOST_MIB) {
        const expected = `should be a whole number of MiB from ${LEAST_MIB} to ${MOST_MIB}, or undefined for no limit`;
        yield finding('memory-limit-invalid', taskName, `${label}.memoryLimitMiB ${expected}, but it is ${show(memoryLimitMiB)}.`);
      }
      if (how === 'none') {
        const message =
          `${label}.memoryLimitMiB is for attempts in a process of their own, but its isolation is 'none', so nobody would ` +
          `enforce it. Set isolation = 'process'.`;
        yield finding('memory-limit-unenforced', taskName, message);
      }
    }
    if (!(typeof killGraceSeconds === 'number' && killGraceSeconds >= 0 && killGraceSeconds <= LONGEST_SECONDS)) {
      const expected = `should be a number of seconds from 0 to ${LONGEST_SECONDS} (24.8 days)`;
      yield finding('kill-grace-invalid', taskName, `${label}.killGraceSeconds ${expected}, but it is ${show(killGraceSeconds)}.`);
    }
  }
}
