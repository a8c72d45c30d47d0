/** Words of the board's pages, nested as in its own files of words. */
interface Words {
  readonly [key: string]: string | Words;
}

/** What we call things, in place of what the board calls them. */
export const OUR_WORDS: Words = {
  MENU: { QUEUES: 'TASKS', SEARCH_INPUT_PLACEHOLDER: 'Filter tasks', SCHEDULERS: 'Schedules' },
  DASHBOARD: {
    JOBS_COUNT_one: '{{count}} entry',
    JOBS_COUNT: '{{count}} entries',
    EMPTY_STATE: 'No tasks: the fixtures name none yet.',
    EMPTY_STATE_FILTERED: 'No task has {{status}} entries.',
  },
  QUEUE: {
    EMPTY_STATE: 'No {{status}} entries in this task.',
    STATUS: { ACTIVE: 'Processing', WAITING: 'Ready', 'WAITING-CHILDREN': 'Waiting for others', COMPLETED: 'Succeeded' },
    ACTIONS: { RETRY_ALL_FAILED: 'Retry all {{count}} failed entries', RETRY_FAILED_IN_ALL_QUEUES: 'Retry {{count}} failed entries in all tasks' },
    INFO: { TITLE: 'Task' },
    WORKERS: { TITLE: 'Daemons', NONE: 'No daemon', NONE_TOOLTIP: 'No daemon is alive', EMPTY: 'No daemon is alive.', EMPTY_HINT: 'Start one with "npm start" or "afterglow worker".' },
  },
  JOB: { ADDED_AT: 'Known since', ATTEMPTS: 'attempt {{attempts}}', FLOW: { TITLE: 'Tasks of this object', PANEL_CHILDREN: 'Prerequisites', A11Y_EDGE: 'A link from a task to one of its prerequisites.' } },
  METRICS: { TITLE: 'Throughput (entries / min)', COMPLETED: 'Succeeded', COMPLETED_PER_MIN: 'Succeeded / min', WINDOW_COMPLETED: 'Succeeded (last {{minutes}} min)', EMPTY: 'Nothing ended in the last two hours.' },
  SCHEDULERS: {
    TITLE: 'Schedules',
    EMPTY: 'No schedules yet: a daemon writes them when it starts.',
    FILTER_BY_QUEUE: 'Filter by task',
    ALL_QUEUES: 'All tasks',
    TEMPLATE: 'Edited',
    COLUMNS: { SCHEDULER: 'Runner', QUEUE: 'Task' },
    EDIT: {
      TITLE: 'Edit the schedule of {{id}}',
      DESCRIPTION: 'When the runner looks for work. It is in force at once on every daemon.',
      OVERWRITE_NOTE: "The edit is kept over restarts, until the runner's own code says something new.",
      PATTERN: 'Cron pattern (five fields, or six with seconds first)',
    },
  },
};

/** The words with ours in place; a key that the board no longer has is added all the same. */
export function withWords(words: Record<string, unknown>, ours: Words): Record<string, unknown> {
  const merged = { ...words };
  for (const [key, value] of Object.entries(ours)) {
    const theirs = merged[key];
    merged[key] = typeof value === 'string' ? value : withWords(typeof theirs === 'object' && theirs !== null ? (theirs as Record<string, unknown>) : {}, value);
  }
  return merged;
}
