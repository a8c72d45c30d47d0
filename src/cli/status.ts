import { describeUnserved, unservedTasks } from '../db/daemons.ts';
import { describeOpen, readResources } from '../db/resources.ts';
import { statusReport, type StatusReport } from '../db/report.ts';
import { command, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson, table } from './output.ts';

/** `afterglow status`: the register in numbers. */
export const statusCommand = () =>
  command('status', 'count transients and entries', 'Counts the transients by state and the entries of every task by status.')
    .option('--json', 'one JSON document: {"transients", "states", "entries", "tasks": [{"name", "counts": {"<status>": n}, …}], "resources": [{"name", "state", "used", …}], "unserved": [{"task", "requires"}]}')
    .action(async (options: CommonOptions & { json?: true }) => {
      const { unserved, resources, ...report } = await withHome(options, async ({ database }) => {
        const em = database.em();
        return { ...(await statusReport(em)), resources: await readResources(em), unserved: await unservedTasks(em) };
      });
      if (options.json) return printJson({ ...report, resources, unserved });
      print(describeReport(report));
      for (const resource of resources) if (resource.state === 'open') print(describeOpen(resource));
      for (const task of unserved) print(describeUnserved(task));
    });

/** The report for people. */
export function describeReport({ transients, states, tasks }: StatusReport): string {
  const head = `${plural(transients, 'transient')}: ${Object.entries(states).map(([state, count]) => `${count} ${state}`).join(', ')}`;
  const rows = tasks
    .filter(({ kind }) => kind !== 'system')
    .map((task) => [task.active ? task.name : `${task.name} (inactive)`, inWords(task)]);
  return `${head}\n\n${table([['TASK', 'ENTRIES'], ...rows])}`;
}

function inWords({ counts, failures, postponed, held }: StatusReport['tasks'][number]): string {
  const statuses = Object.entries(counts).map(([status, count]) => `${count} ${status}`).join(', ') || 'no entries';
  const asides = [[failures.machinery, 'failed of the machinery'], [postponed, 'to be tried again'], [held, 'held']] as const;
  const told = asides.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return told.length === 0 ? statuses : `${statuses} (${told.join(', ')})`;
}
