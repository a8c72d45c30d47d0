import type { TaskRunner } from '../src/index.ts';

/** The shipped pipeline, in no particular order: the prerequisites are the order. */
export const periodicRunners: readonly TaskRunner[] = [];
