/** What JSON can hold: results are kept as such. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/** What a runner gives back when a status message alone does not say enough. */
export interface Outcome {
  /** A status message from the fixtures. */
  status: string;
  /** Kept with the attempt; dependents read it through `context.result(task)`. */
  result?: Json;
  /** A caveat for people; marks the entry until somebody resolves it. */
  warning?: string;
  /** What the attempt cost, in the unit of your accounts. */
  cost?: number;
}
