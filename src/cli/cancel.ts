import { Argument, InvalidArgumentError } from 'commander';
import { cancelEntry, cancelled, type CancelEnd, type CancelledEntry } from '../engine/cancel.ts';
import { command, person, withHome, type CommonOptions } from './common.ts';
import { print, printJson } from './output.ts';
import { queueable } from './queue-option.ts';

/** How long the end of the attempt is waited for, seconds. */
const WAIT_SECONDS = 30;

type Options = CommonOptions & { reason: string; wait: number | false; json?: true };

/** `afterglow cancel`: what runs is stopped, wherever it runs. */
export const cancelCommand = () =>
  queueable(command(
    'cancel',
    'stop a task that runs on a transient, wherever it runs',
    'Has whoever runs the task stop it, and holds the entry, so that it is not run again until "afterglow unhold". Waits until that is done.\n\nExit codes: 0 it runs no more, without a result; 1 it came to its end by itself first, and what it came to stays; 3 it still runs after the wait.',
  ))
    .addArgument(new Argument('<transient>', 'name of the transient'))
    .addArgument(new Argument('<task>', 'name of the task'))
    .requiredOption('--reason <text>', 'why; the attempt and the hold keep it')
    .option('--wait <seconds>', 'how long to wait until it runs no more', seconds, WAIT_SECONDS)
    .option('--no-wait', 'do not wait')
    .option('--json', 'JSON: {"subject", "task", "status", "attempt", "daemon", "outcome"}; "outcome" is null where nothing ran or it still runs')
    .action(async (subject: string, task: string, options: Options) => {
      await withHome(options, async ({ database }) => {
        const entry = await cancelEntry(database, { subject, task, reason: options.reason, by: person() });
        const { attempt, daemon } = entry;
        const waits = attempt !== undefined && options.wait !== false;
        const end = waits ? await cancelled(database.hot.run, { ...entry, attempt }, Number(options.wait)) : undefined;
        if (options.json) printJson({ subject, task, status: end?.status ?? entry.status, attempt: attempt ?? null, daemon: daemon ?? null, outcome: end?.outcome ?? null });
        else print(describe(entry, end, waits));
        process.exitCode = exitCodeOf(end, waits);
      });
    });

const STAYS: ReadonlySet<CancelEnd['outcome']> = new Set(['finished', 'failed', 'timed out']);

function exitCodeOf(end: CancelEnd | undefined, waits: boolean): 0 | 1 | 3 {
  if (end === undefined) return waits ? 3 : 0;
  return STAYS.has(end.outcome) ? 1 : 0;
}

function describe({ subject, task, status, attempt, daemon, leaseSeconds }: CancelledEntry, end: CancelEnd | undefined, waits: boolean): string {
  const held = `It is held: "afterglow unhold ${subject} '${task}'" lets it run again.`;
  const what = `Attempt ${attempt} of "${task}" of ${subject}`;
  if (attempt === undefined) return `"${task}" of ${subject} does not run; its status is "${status}". ${held}`;
  if (end === undefined) {
    const lease = leaseSeconds === undefined || leaseSeconds > 0 ? 'if that is dead, the entry is taken back when its lease runs out' : 'its lease has run out, so that a living daemon takes the entry back';
    return `${daemon ?? 'A daemon'} has been told to stop attempt ${attempt} of "${task}" of ${subject}${waits ? ', but it still runs' : ''}; ${lease}. ${held}`;
  }
  if (STAYS.has(end.outcome)) return `${what} ${end.outcome === 'timed out' ? 'was over its time limit' : end.outcome} before it could be stopped; its status is "${end.status}". ${held}`;
  const how = { cancelled: 'was stopped', released: 'was handed back, as its daemon stops', rescued: 'was taken back, as its daemon is gone', superseded: 'was reset by a person' }[end.outcome as 'cancelled'];
  return `${what} ${how}; its status is "${end.status}". ${held}`;
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0) || value > 86_400) throw new InvalidArgumentError('Expected a number of seconds from 0 to 86400.');
  return value;
}
