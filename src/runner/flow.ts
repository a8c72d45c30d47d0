/**
 * What the checkpoints of work that belongs together mean: all the jobs that hang together by parents, or all the tasks of one
 * object. Runners say them with `context.checkpoint(name)`.
 */
export interface Flow {
  /** For people; unique among the flows of a pipeline. */
  readonly name: string;
  /** The checkpoint with which it begins. */
  readonly begin: string;
  /** Those with which it has succeeded. */
  readonly success: readonly string[];
  /** Those with which it has failed. */
  readonly failure?: readonly string[];
  /** Stretches of it, from one checkpoint to another, by their names. */
  readonly spans?: Readonly<Record<string, readonly [from: string, to: string]>>;
}
