import { RefusedError } from '../../errors.ts';

/** Acts that the board knows and the register does not have, with what we say about them. */
const REFUSALS = {
  remove: 'Entries of the register are not removed: every object has one in every task. "Retry" has it done again.',
  clean: 'Entries of the register are not removed: every object has one in every task. Old attempts are pruned by themselves.',
  empty: 'Entries of the register are not removed. Pause the task to keep its entries from being run.',
  obliterate: 'A task is not removed from the board: take it out of the fixtures.',
  add: 'Entries come with their object: load it from a fixture, or use "afterglow ingest".',
  edit: "An entry shows its object's data, which come from the fixtures or from \"afterglow ingest\"; it is not edited here.",
  promote: 'A delayed entry is run when it is due. "afterglow reset" starts it afresh at once.',
  concurrency: 'How many entries run at once is a setting of each daemon, not of a task.',
  'remove schedule': 'A schedule belongs to its runner and is not removed. Pause the task to stop it.',
  'run schedule': 'A schedule is not fired from here: finished tasks wake those that wait for them at once.',
  'limit schedule': 'A schedule of Afterglow has no last run and no end date.',
} as const;

export type RefusedAct = keyof typeof REFUSALS;

/** What a person is told. */
export const refusalSentence = (act: RefusedAct): string => REFUSALS[act];

/** The error for an act that the board knows and the register does not have. */
export const refusal = (act: RefusedAct): RefusedError => withStatus(new RefusedError(REFUSALS[act]), 405);

/** An error that the board answers with this HTTP status instead of 500. */
export function withStatus<E extends Error>(error: E, statusCode: number): E {
  return Object.assign(error, { statusCode });
}
