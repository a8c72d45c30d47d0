import { Argument } from 'commander';
import { explain, type Explanation, type RunnerFacts } from '../engine/explain/obstacles.ts';
import { CAN_RUN, describeObstacle, describeRoots } from '../engine/explain/describe.ts';
import { readSnapshot } from '../engine/explain/snapshot.ts';
import { assertKnown } from '../engine/known-names.ts';
import { RefusedError } from '../errors.ts';
import type { Pipeline } from '../runner/pipeline.ts';
import { isSubjectRunner } from '../runner/runner.ts';
import { command, withHome, type CommonOptions } from './common.ts';
import { print, printJson } from './output.ts';

/** `afterglow explain`: why it does not run. */
export const explainCommand = () =>
  command(
    'explain',
    'say why a transient does not go on',
    'Says of every task of a transient, or of one, what keeps it from running: all of it, not the first thing alone; where it waits for other tasks, what that comes down to; and what can be done about it. Changes nothing.',
  )
    .addArgument(new Argument('<transient>', 'name of the transient'))
    .addArgument(new Argument('[task]', 'name of one task'))
    .option('--runners <file>', 'the module that exports periodicRunners (AFTERGLOW_RUNNERS; the shipped pipeline)')
    .option('--json', 'JSON: [{"subject", "task", "kind", "status", "type", "claimable", "obstacles": [{"kind", …, "text"}], "roots"}]')
    .action(async (subject: string, task: string | undefined, options: CommonOptions & { json?: true }) => {
      await withHome(options, async ({ database, pipeline }) => {
        await assertKnown(database.em(), { subjects: [subject], tasks: task === undefined ? undefined : [task] });
        const snapshot = await readSnapshot(database.hot.run, [subject]);
        const explanations = explain(snapshot, factsOf(pipeline)).filter((one) => task === undefined || one.task === task);
        if (task !== undefined && explanations.length === 0) throw new RefusedError(`${subject} does not go through "${task}", which is for objects of another kind.`);
        const now = new Date(snapshot.now);
        if (options.json) printJson(explanations.map((one) => inJson(one, now)));
        else print(explanations.map((one) => inWords(one, now)).join('\n'));
      });
    });

const factsOf = ({ periodicRunners }: Pipeline): Map<string, RunnerFacts> => new Map(periodicRunners.filter(isSubjectRunner).map((runner) => [runner.taskName, runner]));

function inJson(explanation: Explanation, now: Date): object {
  const { subject, task, kind } = explanation;
  const withText = (of: string, obstacles: Explanation['obstacles']) => obstacles.map((obstacle) => ({ ...obstacle, text: describeObstacle(obstacle, { subject, task: of, kind, now }) }));
  return {
    ...explanation,
    obstacles: withText(task, explanation.obstacles),
    roots: explanation.roots.map((root) => ({ ...root, obstacles: withText(root.task, root.obstacles) })),
  };
}

function inWords(explanation: Explanation, now: Date): string {
  const { subject, task, kind, status, obstacles } = explanation;
  const why = obstacles.length === 0 ? [CAN_RUN] : obstacles.map((obstacle) => describeObstacle(obstacle, { subject, task, kind, now }));
  return [`"${task}" of ${subject}: ${status}`, ...[...why, ...describeRoots(explanation, now)].map((sentence) => `  ${sentence}`)].join('\n');
}
