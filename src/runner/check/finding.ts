/** An error keeps work from being done and stops the start; a warning is logged. */
export type Severity = 'error' | 'warning';

/**
 * Every code that a finding can have, and how much it weighs. Codes are for machines and never change between versions.
 *
 * Errors are what no time and no person's act in the daemon can heal: the files must be edited. Warnings are what may
 * be meant: a task switched off, a task whose runner is still to be written, a status that only people or fixtures give.
 */
export const SEVERITY = {
  // The fixtures themselves.
  'fixture-unreadable': 'error',
  'name-empty': 'error',
  'name-spaces': 'error',
  'name-too-long': 'error',
  'name-twice': 'error',
  'names-alike': 'warning',
  'status-type-unknown': 'error',
  'built-in-missing': 'error',
  'built-in-type': 'error',
  // The list of runners and what each declares.
  'runners-not-a-list': 'error',
  'no-runners': 'warning',
  'not-a-runner': 'error',
  'class-not-instance': 'error',
  'run-process-missing': 'error',
  'field-missing': 'error',
  'field-wrong-type': 'error',
  'field-unreadable': 'error',
  'field-misspelt': 'warning',
  'field-ignored': 'warning',
  'cron-invalid': 'error',
  'cron-never-fires': 'error',
  'interval-invalid': 'error',
  'interval-odd': 'warning',
  'time-zone-invalid': 'error',
  'time-limit-invalid': 'error',
  'version-invalid': 'error',
  'runner-unusable': 'error',
  'runner-unusable-here': 'warning',
  'missed-slots-invalid': 'error',
  'window-ignored': 'warning',
  // What happens when the machinery fails, and what an attempt may take.
  'retry-invalid': 'error',
  'concurrency-invalid': 'error',
  'memory-limit-invalid': 'error',
  'memory-limit-unenforced': 'error',
  'kill-grace-invalid': 'error',
  'label-invalid': 'error',
  'policy-invalid': 'error',
  'reads-unknown': 'error',
  'unknown-resource': 'error',
  'units-invalid': 'error',
  'units-never-free': 'error',
  // What tasks of requests are for.
  'request-types-invalid': 'error',
  'request-identifiers-invalid': 'error',
  'request-batch-invalid': 'error',
  // Which runner does which task.
  'unknown-task': 'error',
  'two-runners': 'error',
  'no-runner': 'warning',
  'system-runner-on-object-task': 'error',
  'object-runner-on-system-task': 'error',
  'kind-mismatch': 'error',
  // The statuses that a runner leaves.
  'unknown-failed-status': 'error',
  'failed-status-success': 'error',
  'failed-status-blank': 'warning',
  'failed-status-processing': 'error',
  'unknown-returned-status': 'error',
  'returns-processing': 'error',
  'returns-nothing': 'error',
  'returns-no-success': 'warning',
  'selects-for-ever': 'error',
  // What a runner waits for.
  'unknown-prerequisite-task': 'error',
  'unknown-prerequisite-status': 'error',
  'prerequisite-not-text': 'error',
  'prerequisite-on-system-task': 'error',
  'prerequisite-on-other-kind': 'error',
  'own-status-processing': 'error',
  'own-status-several': 'error',
  'own-status-unreached': 'warning',
  'awaits-inactive-task': 'warning',
  'awaits-disabled-runner': 'warning',
  'awaits-missing-runner': 'error',
  'awaits-unproduced-status': 'error',
  'alternative-unproduced': 'warning',
  'awaits-processing': 'warning',
  'awaits-time-limit': 'warning',
  // The graph as a whole.
  cycle: 'error',
  contradiction: 'error',
} as const satisfies Record<string, Severity>;

export type FindingCode = keyof typeof SEVERITY;

/** One mistake, or one thing that looks like one. */
export interface Finding {
  severity: Severity;
  code: FindingCode;
  /** The task that it is about, as far as one is known. */
  task?: string;
  /** Whole sentences for people: the thing by name, what was expected, what was found, the nearest known name. */
  message: string;
}

/** A finding with the weight of its code. */
export function finding(code: FindingCode, task: string | undefined, message: string): Finding {
  return { severity: SEVERITY[code], code, ...(task === undefined ? {} : { task }), message };
}
