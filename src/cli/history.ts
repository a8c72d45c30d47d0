import { readStateCounts, type StateCount } from '../db/state-counts.ts';
import { assertKnown } from '../engine/known-names.ts';
import { command, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson, table } from './output.ts';
import { parseUntil } from './until.ts';

/** Rows that a person is shown of a kind, unless --all. */
const SHOWN = 30;

/** `afterglow history`: the counts over time. */
export const historyCommand = () =>
  command(
    'history',
    'show how many objects were in each state over time',
    'Shows the counts that the system runner "Count states" keeps every minute: objects in all, and how many of them were completed, processing, waiting or blocked. While nothing changes, only the beginning and the end of that stretch are kept. The first page of the daemon draws them.',
  )
    .option('--kind <kind>', 'only objects of this kind')
    .option('--since <when>', 'only from then on: a span such as 90m or 2d, or a time', parseUntil)
    .option('--all', `every row; else of each kind about ${SHOWN}, spread over the time`)
    .option('--json', 'every row as JSON: [{"kind", "at", "total", "completed", "processing", "waiting", "blocked"}]')
    .addHelpText('after', `
Examples:
  afterglow history --since 1d
  afterglow history --json | jq '.[-1]'
`)
    .action(async ({ kind, since, all, json, ...options }: CommonOptions & { kind?: string; since?: Date | number; all?: true; json?: true }) => {
      const counts = await withHome(options, async ({ database }) => {
        const em = database.em();
        await assertKnown(em, { kinds: kind === undefined ? undefined : [kind] });
        return readStateCounts(em, { kind, since: typeof since === 'number' ? new Date(Date.now() - since * 1000) : since, ...(json || all ? {} : { points: SHOWN }) });
      });
      if (json) return printJson(counts);
      if (counts.length === 0) return print('No counts are kept yet: the system runner "Count states" keeps them, every minute that a daemon runs.');
      for (const [of, rows] of Map.groupBy(counts, (one) => one.kind)) print(describe(of, rows));
    });

function describe(kind: string, rows: readonly StateCount[]): string {
  const cells = rows.map(({ at, total, completed, processing, waiting, blocked }) => [at.toISOString().slice(0, 19).replace('T', ' '), total, completed, processing, waiting, blocked]);
  return `${kind}, ${plural(rows.length, 'row')}\n${table([['TIME (UTC)', 'TOTAL', 'COMPLETED', 'PROCESSING', 'WAITING', 'BLOCKED'], ...cells])}`;
}
