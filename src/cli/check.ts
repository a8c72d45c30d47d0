import { GraphError } from '../errors.ts';
import { withBuiltIn } from '../flows/built-in.ts';
import { readGraph } from '../read-graph.ts';
import { loadPipeline } from '../runner/pipeline.ts';
import { command, configOf, withGraph, type CommonOptions } from './common.ts';
import { plural, print, printJson } from './output.ts';

/** `afterglow check`: the fixtures and the whole graph, without a database. */
export const checkCommand = () =>
  withGraph(command('check', 'check fixtures and runners', 'Reads the fixtures and the runners and analyses the whole graph before anything runs. Exits with 1 if there is an error, for CI.'))
    .option('--json', 'the findings as JSON: [{"severity", "code", "task", "message"}]')
    .action(async (options: CommonOptions & { json?: true }) => {
      const config = configOf(options);
      const own = await loadPipeline(config.runnersFile);
      // Hooks may be for what every daemon has.
      const pipeline = withBuiltIn(own, config);
      const { fixtures, findings } = await readGraph(config, pipeline);
      const errors = findings.filter(({ severity }) => severity === 'error');
      if (options.json) {
        printJson(findings);
        process.exitCode = errors.length > 0 ? 1 : 0;
        return;
      }
      for (const { severity, message } of findings.filter((finding) => finding.severity === 'warning')) print(`${severity}: ${message}`);
      if (errors.length > 0) throw new GraphError(errors.map(({ message }) => message));
      print(`${plural(fixtures.tasks.length, 'task')}, ${plural(pipeline.periodicRunners.length, 'runner')}, ${fixtures.statuses.length} statuses, ${plural(fixtures.transients.length, 'transient')}: no mistake found.`);
    });
