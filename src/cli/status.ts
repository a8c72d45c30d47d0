import { describeUnserved, unservedTasks } from '../db/daemons.ts';
import { describeOpen, readResources } from '../db/resources.ts';
import { familyOf, statusReport, type Family, type FamilyReport, type StatusReport } from '../db/report.ts';
import { isBuiltIn } from '../flows/built-in.ts';
import { INITIAL, PROCESSING } from '../status/status.ts';
import { command, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson, table } from './output.ts';

/** `afterglow status`: the register in numbers. */
export const statusCommand = () =>
  command('status', 'count transients and entries', 'Counts the transients by state and the entries of every task by status.')
    .option('--json', 'one JSON document: {"transients", "states", "entries", "others": {"jobs"?, "requests"?, "runs"?}, "tasks": [{"name", "counts": {"<status>": n}, …}], "resources": [{"name", "state", "used", …}], "unserved": [{"task", "requires"}]}')
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
export function describeReport({ transients, states, others, tasks }: StatusReport): string {
  const inStates = (of: FamilyReport['states']) => Object.entries(of).map(([state, count]) => `${count} ${state}`).join(', ');
  const isShown = ({ name, kind, counts }: StatusReport['tasks'][number]) => kind !== 'system' && (!isBuiltIn(name) || Object.keys(counts).length > 0);
  const families = FAMILIES.map((family) => ({ ...family, tasks: tasks.filter((task) => isShown(task) && familyOf(task.kind) === family.family) }));
  const isAlone = families.every(({ family, tasks: own }) => family === 'transients' || own.length === 0);
  return families
    .filter(({ family, tasks: own }) => own.length > 0 || (family === 'transients' && isAlone))
    .map(({ family, one, head, tasks: own }) => {
      const counts = family === 'transients' ? { subjects: transients, states } : others[family];
      const rows = own.map((task) => [task.active ? task.name : `${task.name} (inactive)`, inWords(task, family)]);
      const said = counts === undefined ? `no ${one}s yet` : `${plural(counts.subjects, one)}: ${inStates(counts.states)}`;
      return `${said}\n\n${table([[head, 'ENTRIES'], ...rows])}`;
    })
    .join('\n\n');
}

const FAMILIES = [
  { family: 'transients', one: 'transient', head: 'TASK' },
  { family: 'requests', one: 'request', head: 'TASK OF REQUESTS' },
  { family: 'jobs', one: 'job', head: 'JOB' },
  { family: 'runs', one: 'run', head: 'SCRIPT' },
] as const;

/** What people call the statuses of the machinery where they enqueue jobs. */
const JOB_WORDS: Readonly<Record<string, string>> = { [INITIAL]: 'pending', [PROCESSING]: 'running' };

function inWords({ counts, failures, postponed, held }: StatusReport['tasks'][number], family: Family): string {
  const statuses = Object.entries(counts).map(([status, count]) => `${count} ${(family === 'jobs' ? JOB_WORDS[status] : undefined) ?? status}`).join(', ') || 'no entries';
  const asides = [[failures.machinery, 'failed of the machinery'], [postponed, 'to be tried again'], [held, 'held']] as const;
  const told = asides.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return told.length === 0 ? statuses : `${statuses} (${told.join(', ')})`;
}
