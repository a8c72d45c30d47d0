import { Argument } from 'commander';
import { liftHolds, placeHolds, targetOf, type Hold, type LiftedHold, type PlacedHold } from '../engine/hold.ts';
import { command, person, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson } from './output.ts';
import { queueable } from './queue-option.ts';
import { parseUntil } from './until.ts';

type Options = CommonOptions & { dryRun?: true; json?: true };

const words = new Argument('<name...>', 'names of transients; the last of several may be a task');

/** `afterglow hold`: nobody runs it until it is let go. */
export const holdCommand = () =>
  queueable(command(
    'hold',
    'keep transients, or one task of them, from being run',
    'Holds transients, or one task of them (the last name): they are not run until they are let go with "afterglow unhold" or the time is over. What runs already runs to its end; "afterglow cancel" stops it.',
  ))
    .addArgument(words)
    .requiredOption('--reason <text>', 'why; people see it wherever they see the entry')
    .option('--until <when>', 'a span such as 90m, 2d or 1h30m, or a time such as 2026-12-01T06:00Z; without it until a person lets go', parseUntil)
    .option('--dry-run', 'only say what would be held')
    .option('--json', 'the holds as JSON: [{"subject", "task", "reason", "by", "until", "running", "before"}]')
    .action(async (names: string[], options: Options & { reason: string; until?: Date | number }) => {
      const { reason, until, dryRun } = options;
      const placed = await withHome(options, async ({ database }) =>
        placeHolds(database, { ...(await targetOf(database, names)), reason, until, by: person() }, dryRun));
      if (options.json) printJson(placed);
      else for (const hold of placed) print(describePlaced(hold, dryRun === true));
    });

/** `afterglow unhold`: it may run again. */
export const unholdCommand = () =>
  queueable(command('unhold', 'let go what is held', 'Lifts the holds on transients, or on one task of them (the last name). A hold on a transient and one on a task of it are two: each is lifted by itself.'))
    .addArgument(words)
    .option('--dry-run', 'only say what would be let go')
    .option('--json', 'what was lifted and what is left as JSON: [{"subject", "task", "lifted", "left"}]')
    .action(async (names: string[], options: Options) => {
      const lifted = await withHome(options, async ({ database }) => liftHolds(database, await targetOf(database, names), options.dryRun));
      if (options.json) printJson(lifted);
      else for (const one of lifted) print(describeLifted(one, options.dryRun === true));
    });

function describePlaced({ subject, task, until, running, before }: PlacedHold, dryRun: boolean): string {
  const sentences = [`${what(subject, task)} ${dryRun ? 'would be' : 'is'} held${until === null ? '' : ` until ${until.toISOString()}`}.`];
  if (before !== null) sentences.push(`Before: ${describeHold(before)}.`);
  if (running > 0) sentences.push(`${plural(running, 'attempt')} of it ${running === 1 ? 'runs' : 'run'} on.`);
  return sentences.join(' ');
}

function describeLifted({ subject, task, lifted, left }: LiftedHold, dryRun: boolean): string {
  const first = lifted === null ? `${what(subject, task)} has no hold of its own.` : `${what(subject, task)} ${dryRun ? 'would be' : 'is'} let go. It was ${describeHold(lifted)}.`;
  return [first, ...left.map((hold) => `${hold.task === null ? `${subject} as a whole` : `"${hold.task}" of it`} is still ${describeHold({ ...hold, until: null })}.`)].join(' ');
}

const describeHold = ({ by, reason, until }: Pick<Hold, 'by' | 'reason' | 'until'>): string => `held by ${by}${until === null ? '' : ` until ${until.toISOString()}`}: ${reason}`;

const what = (subject: string, task: string | null): string => (task === null ? subject : `"${task}" of ${subject}`);
