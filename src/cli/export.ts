import { Option } from 'commander';
import { exportText } from '../db/export-rows.ts';
import { ConfigError } from '../errors.ts';
import { taskGraph } from '../runner/graph.ts';
import { readGraph } from '../read-graph.ts';
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
        const tasks = taskGraph({ tasks: fixtures.tasks, runners: pipeline.periodicRunners }).tasks.filter(({ kind }) => kind === 'transient').map(({ name }) => name);
        print(await exportText(database.em(), pipeline.exportQuery, tasks, options.json ? 'json' : options.format));
      });
    });
