import type { EntityManager } from '@mikro-orm/postgresql';
import { Option } from 'commander';
import { stringify } from 'csv-stringify/sync';
import { ConfigError } from '../errors.ts';
import { taskGraph } from '../runner/graph.ts';
import { readGraph } from '../prepare.ts';
import { configOf, command, withGraph, withHome, type CommonOptions } from './common.ts';
import { print } from './output.ts';

/** `afterglow export`: one row per transient. */
export const exportCommand = () =>
  withGraph(command('export', 'write the results', 'Writes one row per transient to standard output: what the pipeline found out, and the status of every task. Ordered by name.'))
    .addOption(new Option('--format <format>', 'csv, or json for a list of objects').choices(['csv', 'json']).default('csv'))
    .option('--json', 'the same as --format json')
    .action(async (options: CommonOptions & { format: 'csv' | 'json'; json?: true }) => {
      await withHome(options, async ({ database, pipeline }) => {
        if (pipeline.exportQuery === undefined) throw new ConfigError(`The runners of ${configOf(options).runnersFile} export no exportQuery, so there is nothing to write.`);
        const { fixtures } = await readGraph(configOf(options), pipeline);
        const tasks = taskGraph({ tasks: fixtures.tasks, runners: pipeline.periodicRunners }).tasks.map(({ name }) => name);
        const rows = await exportRows(database.em(), pipeline.exportQuery, tasks);
        if (options.json || options.format === 'json') print(JSON.stringify(rows, null, 1));
        else print(stringify(rows, { header: true, columns: Object.keys(rows[0] ?? { name: '' }) }));
      });
    });

/** The rows of the export: the pipeline's columns, then `<task>_status` for every task, e.g. `host_match_status`. */
async function exportRows(em: EntityManager, query: string, tasks: readonly string[]): Promise<Record<string, unknown>[]> {
  const rows = await em.execute<({ name: string } & Record<string, unknown>)[]>(query);
  const statuses = await em.execute<{ name: string; statuses: Record<string, string> }[]>(
    `select s.name, jsonb_object_agg(t.name, st.message) as statuses
       from subject s
       join task_register r on r.subject_id = s.id
       join task t on t.id = r.task_id
       join status st on st.id = r.status_id
      where s.kind = 'transient'
      group by s.name`,
  );
  const statusesOf = new Map(statuses.map(({ name, statuses: of }) => [name, of]));
  return rows
    .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    .map((row) => ({ ...row, ...Object.fromEntries(tasks.map((task) => [columnOf(task), statusesOf.get(row.name)?.[task] ?? null])) }));
}

const columnOf = (task: string): string => `${task.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_').replaceAll(/^_|_$/g, '')}_status`;
