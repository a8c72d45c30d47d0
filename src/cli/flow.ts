import { Argument } from 'commander';
import { readFlow, type ReadFlow } from '../flows/read-flow.ts';
import { command, withHome, withRunners, type CommonOptions } from './common.ts';
import { plural, print, printJson, table } from './output.ts';

/** `afterglow flow`: how far an object or a job with its relatives is, by the checkpoints of its runners. */
export const flowCommand = () =>
  withRunners(command(
    'flow',
    'show the checkpoints of an object or a job, and how long what took',
    'Shows what runners said on their way with context.checkpoint: of an object, or of a job with all the jobs that hang together with it by parents. Where the module of the runners declares flows, also whether it has ended, how, and how long its stretches took.',
  ))
    .addArgument(new Argument('<name>', 'name of the object, or number of the job'))
    .option('--json', 'JSON: {"flow", "state", "begunAt", "endedAt", "seconds", "subjects", "steps": [{"name", "at", "subject", "task", "attempt", "times", "sinceBeginSeconds", "sinceLastSeconds"}], "spans": [{"name", "from", "to", "seconds"}]}')
    .action(async (name: string, options: CommonOptions & { json?: true }) => {
      const flow = await withHome(options, ({ database, pipeline }) => readFlow(database.em(), name, pipeline.flows ?? []));
      if (options.json) printJson(flow);
      else print(describe(name, flow));
    });

function describe(name: string, { flow, state, seconds, subjects, steps, spans }: ReadFlow): string {
  if (steps.length === 0) return `No checkpoint of ${name} was said.`;
  const whose = subjects.length > 1 ? `${name}, ${plural(subjects.length, 'job')} in all` : name;
  const how = flow === undefined ? '' : state === 'open' ? ` (${flow}): open` : ` (${flow}): ${state} after ${span(seconds!)}`;
  const rows = steps.map(({ name: step, at, sinceBeginSeconds, sinceLastSeconds, subject, task, times }) =>
    [at.toISOString(), span(sinceBeginSeconds), span(sinceLastSeconds), step, times > 1 ? `${times} times` : '', `${task} of ${subject}`]);
  const stretches = spans.map((stretch) => [stretch.name, stretch.seconds === undefined ? '-' : span(stretch.seconds), `${stretch.from} to ${stretch.to}`]);
  return [`${whose}${how}`, '', table([['AT', 'SINCE BEGIN', 'SINCE LAST', 'CHECKPOINT', '', 'SAID BY'], ...rows]), ...(stretches.length === 0 ? [] : ['', table([['STRETCH', 'TOOK', 'FROM'], ...stretches])])].join('\n');
}

const span = (seconds: number): string => `${seconds.toFixed(3)} s`;
