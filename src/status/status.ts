/** What a status means for the transient: nothing yet, it worked, it is on its way or needs a look, it did not work. */
export type StatusType = 'blank' | 'success' | 'warning' | 'error';

export const STATUS_TYPES: readonly StatusType[] = ['blank', 'success', 'warning', 'error'];

/** Where one transient stands in one task: a row of `fixtures/statuses.yaml`. */
export interface Status {
  /** The natural key, at most 64 characters, e.g. `no host match`. */
  message: string;
  type: StatusType;
}

/** The status of every entry before anything ran. */
export const INITIAL = 'not processed';
/** The status of an entry while an attempt holds its lease. */
export const PROCESSING = 'processing';
/** The status of a job that a person, or the end of a parent, has cancelled; it exists wherever there are types of jobs. */
export const CANCELLED = 'cancelled';
/** The status of a job that had nothing to do; it exists wherever there are types of jobs. */
export const SKIPPED = 'skipped';
/** The status after an attempt that ran over its task's time limit. */
export const TIME_LIMIT_EXCEEDED = 'time limit exceeded';

/**
 * The three statuses that the machinery itself uses. They have fixed ids in the database, because the claim's
 * partial indexes need literals; the fixtures must name them with these types and cannot remove them.
 */
export const BUILT_IN: readonly (Status & { id: number })[] = [
  { id: 1, message: INITIAL, type: 'blank' },
  { id: 2, message: PROCESSING, type: 'warning' },
  { id: 3, message: TIME_LIMIT_EXCEEDED, type: 'error' },
];

/** The status of an entry whose task does not apply to its request, of type success; it exists wherever there are tasks of requests. */
export const OMITTED = 'omitted';

/**
 * What a script of a run comes to. They exist wherever scripts have been run (`afterglow run-jobs`), and leaving them out of the
 * fixtures does not remove them.
 */
export const RUN_STATUSES: readonly Status[] = [
  { message: 'success', type: 'success' },
  { message: 'unchanged', type: 'success' },
  { message: 'skipped', type: 'success' },
  { message: 'failed', type: 'error' },
];

/** The final statuses of jobs. They exist wherever there have been types of jobs, and leaving them out of the fixtures does not remove them. */
export const JOB_STATUSES: readonly Status[] = [
  { message: 'completed', type: 'success' },
  { message: SKIPPED, type: 'success' },
  { message: 'failed', type: 'error' },
  { message: CANCELLED, type: 'error' },
];

/** How the kinds of jobs begin; behind it stands the name of the job. Their tasks come from the code, not from fixtures. */
export const JOB_KIND = 'job:';

/** How the kinds of runs of scripts begin; their tasks come from files of jobs, not from fixtures. */
export const RUN_KIND = 'run:';
