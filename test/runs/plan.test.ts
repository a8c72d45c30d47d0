import { expect, test } from 'vitest';
import { planRun, type RunPlan } from '../../src/runs/plan.ts';
import { fileOf } from './file-of.ts';

const graphOf = ({ tasks }: RunPlan): string[] => tasks.map(({ script, parents }) => `${script}${parents.length === 0 ? '' : ` after ${parents.join(' ')}`}`);

test('every script of a step waits for every script of the step before it (M6)', () => {
  expect(graphOf(planRun(fileOf({ steps: ['a', ['b', 'c'], ['d', 'e']] }), { number: 1 }))).toEqual(['a', 'b after a', 'c after a', 'd after b c', 'e after b c']);
});

test('a script of several jobs is one task with parents and children from all of them (M7)', () => {
  const { tasks } = planRun(fileOf({ steps: ['a', 'shared', 'b'] }, { steps: ['c', 'shared', 'd'], priority: 3 }), { number: 1 });
  const shared = tasks.filter(({ script }) => script === 'shared');
  expect(shared).toMatchObject([{ parents: ['a', 'c'], children: ['b', 'd'], priority: 3, jobs: [{ name: 'Job 1' }, { name: 'Job 2' }] }]);
});

test('--only-run takes the scripts that it names and all that they wait for (M20)', () => {
  const file = fileOf({ steps: ['x/a.py', 'x/b.py', 'x/c.py'] }, { steps: ['d.py', 'x/b.py'] }, { steps: ['e.py'] });
  expect(graphOf(planRun(file, { number: 1, only: ['b.py'] }))).toEqual(['x/a.py', 'd.py', 'x/b.py after x/a.py d.py']);
  expect(planRun(file, { number: 1, only: ['e.py'] }).left.map(({ job, reason }) => `${job.name}: ${reason}`)).toEqual(['Job 1: no script of it was asked for', 'Job 2: no script of it was asked for']);
  expect(() => planRun(file, { number: 1, only: ['f.py'] })).toThrow('There is no script "f.py"; did you mean "d.py"? Known: "x/a.py"');
  expect(() => planRun(fileOf({ steps: ['x/a.py', 'y/a.py'] }), { number: 1, only: ['a.py'] })).toThrow('"a.py" may be "x/a.py" or "y/a.py"; say which.');
});

test('a job of frequency n takes part in every n-th run, the first one too, and nothing waits for it when it does not (M3)', () => {
  const file = fileOf({ steps: ['a', 'shared'], frequency: 3 }, { steps: ['b', 'shared'] });
  const runs = [1, 2, 3, 4].map((number) => graphOf(planRun(file, { number })).join(', '));
  expect(runs).toEqual(['a, b, shared after a b', 'b, shared after b', 'b, shared after b', 'a, b, shared after a b']);
  expect(planRun(file, { number: 2 }).left).toMatchObject([{ reason: 'it takes part in every 3rd run, and this is run 2' }]);
  expect(graphOf(planRun(file, { number: 2, only: ['a'] }))).toEqual(['a']);
});
