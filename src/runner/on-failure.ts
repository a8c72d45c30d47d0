/** Whom to tell when an entry or a job of a task has failed for good: after its last attempt, and once. */
export interface OnFailure {
  /** Addresses to write to. */
  readonly mail?: string | readonly string[];
  /** An `http(s)` address that gets the notice as JSON. It is not kept in the database, so it may have a secret in it. */
  readonly webhook?: string;
  /** Notices of the task within any hour; what fails beyond is counted in the next notice. 10 unless given. */
  readonly mostPerHour?: number;
}
