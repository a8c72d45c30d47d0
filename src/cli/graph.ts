import { readGraph } from '../read-graph.ts';
import { mermaid, taskGraph } from '../runner/graph.ts';
import { loadPipeline } from '../runner/pipeline.ts';
import { statusMermaid } from '../status/diagram.ts';
import { claimFromOf } from '../runner/prerequisites.ts';
import { isSubjectRunner } from '../runner/runner.ts';
import { createStatusMachine } from '../status/machine.ts';
import { command, configOf, withGraph, type CommonOptions } from './common.ts';
import { print, printJson } from './output.ts';
import { Option } from 'commander';

/** `afterglow graph`: the tasks and their prerequisites as a diagram, or the status machine. */
export const graphCommand = () =>
  withGraph(command('graph', 'draw the tasks and their prerequisites', 'Draws the graph of tasks as Mermaid text, which GitHub and most editors show as a picture. With --statuses: the status machine.'))
    .addOption(new Option('--format <format>', 'how').choices(['mermaid']).default('mermaid'))
    .option('--statuses', 'the status machine instead of the tasks')
    .option('--json', 'the graph as JSON: tasks in an order that the prerequisites allow, and the requirements')
    .action(async (options: CommonOptions & { statuses?: true; json?: true }) => {
      const config = configOf(options);
      const pipeline = await loadPipeline(config.runnersFile);
      const { fixtures } = await readGraph(config, pipeline);
      if (options.statuses) {
        const runners = pipeline.periodicRunners.filter(isSubjectRunner);
        const machine = createStatusMachine(fixtures.statuses, runners.map(claimFromOf));
        return options.json ? printJson(machine.moves) : print(statusMermaid(machine));
      }
      const graph = taskGraph({ tasks: fixtures.tasks, runners: pipeline.periodicRunners });
      return options.json ? printJson(graph) : print(mermaid(graph));
    });
