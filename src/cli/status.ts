import { describeUnserved, unservedTasks } from '../db/daemons.ts';
import { statusReport, type StatusReport } from '../db/report.ts';
import { command, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson, table } from './output.ts';

/** `afterglow status`: the register in numbers. */
export const statusCommand = () =>
  command('status', 'count transients and entries', 'Counts the transients by state and the entries of every task by status.')
    .option('--json', 'one JSON document: {"transients", "states", "entries", "tasks": [{"name", "counts": {"<status>": n}, …}], "unserved": [{"task", "requires"}]}')
    .action(async (options: CommonOptions & { json?: true }) => {
      const { unserved, ...report } = await withHome(options, async ({ database }) => ({ ...(await statusReport(database.em())), unserved: await unservedTasks(database.em()) }));
      if (options.json) return printJson({ ...report, unserved });
      print(describeReport(report));
      for (const task of unserved) print(describeUnserved(task));
    });

/** The report for people. */
export function describeReport({ transients, states, tasks }: StatusReport): string {
  const head = `${plural(transients, 'transient')}: ${Object.entries(states).map(([state, count]) => `${count} ${state}`).join(', ')}`;
  const rows = tasks
    .filter(({ kind }) => kind !== 'system')
    .map(({ name, active, counts }) => [active ? name : `${name} (inactive)`, Object.entries(counts).map(([status, count]) => `${count} ${status}`).join(', ') || 'no entries']);
  return `${head}\n\n${table([['TASK', 'ENTRIES'], ...rows])}`;
}
