import { expect, test } from 'vitest';
import { planRun } from '../../src/runs/plan.ts';
import { RunView } from '../../src/runs/run-view.ts';
import { Screen } from '../../src/runs/screen.ts';
import { fitted, tree } from '../../src/runs/tree.ts';
import { Emulator } from './emulator.ts';
import { fileOf, type GivenJob } from './file-of.ts';

const T0 = new Date('2026-03-01T10:00:00Z');
const at = (seconds: number): Date => new Date(T0.getTime() + seconds * 1000);

function viewOf(...jobs: GivenJob[]): RunView {
  const plan = planRun(fileOf(...jobs), { number: 3 });
  return new RunView({ kind: '', names: new Map(), subjectId: '1', subject: 'rents-3', name: 'rents', number: 3, plan, forced: false, isResumed: false, notes: [] }, T0);
}

/** Eight scripts, one of which has three parents in two jobs. */
const JOBS: GivenJob[] = [
  { name: 'Rents', steps: ['grab.py', ['clean.py', 'check.py'], 'shared.R', 'publish.py'] },
  { name: 'Sales', steps: ['sales.py', 'shared.R'] },
];

test('the tree shows jobs, steps, states, times and the last lines of what failed (M24)', () => {
  const view = viewOf(...JOBS);
  view.change('grab.py', { state: 'success', seconds: 1.25, warning: 'three rows were left out' });
  view.change('clean.py', { state: 'failed', seconds: 61, reason: 'The script ended with exit code 3.\nIt said', stderr: 'one\ntwo\n\x1b[2Jthree\n\nfour\n' });
  view.change('check.py', { state: 'running', startedAt: at(2), progress: 0.4 });
  view.change('sales.py', { state: 'unchanged', seconds: 0.01, reason: 'nothing has changed' });
  view.change('publish.py', { state: 'skipped', reason: '"shared.R", which it waits for, was skipped' });
  const terminal = new Emulator(100, 30);
  new Screen(terminal, false).draw(tree(view, at(10)));
  expect(terminal.text).toBe(
    [
      'rents 3  10 s  4 of 6 done, 1 running, 1 unchanged, 1 failed, 1 skipped',
      'Rents',
      '  ✔ grab.py  1.3 s  three rows were left out',
      '    ✖ clean.py  1:01  The script ended with exit code 3.',
      '        two',
      '        [2Jthree',
      '        four',
      '    ▶ check.py  8.0 s  40 %',
      '      · shared.R  (also of Sales)',
      '        - publish.py  "shared.R", which it waits for, was skipped',
      'Sales  with 1 script from above',
      '  = sales.py  0.0 s',
    ].join('\n'),
  );
});

test('Md7: a script with several parents stands there once, however often the tree is drawn anew and whatever grows or shrinks', () => {
  const view = viewOf(...JOBS);
  const terminal = new Emulator(60, 30);
  terminal.write('$ afterglow run-jobs jobs.json\n');
  const screen = new Screen(terminal, true);
  const draw = (seconds: number): void => screen.draw(tree(view, at(seconds)));
  draw(0);
  view.change('clean.py', { state: 'failed', seconds: 1, stderr: 'a\nb\nc\nd' });
  draw(1);
  screen.above('Job "Monthly" is left out.');
  draw(2);
  view.change('clean.py', { state: 'waiting', stderr: '' });
  draw(3);
  const lines = terminal.text.split('\n');
  expect(lines.slice(0, 3)).toEqual(['$ afterglow run-jobs jobs.json', 'Job "Monthly" is left out.', 'rents 3  3.0 s  0 of 6 done']);
  for (const script of ['grab.py', 'clean.py', 'check.py', 'shared.R', 'publish.py', 'sales.py']) expect(lines.filter((line) => line.includes(script)), script).toHaveLength(1);
  expect(lines).toHaveLength(11);
  expect(terminal.outOfReach).toBe(0);
});

test('no line is wider than the terminal, not with wide characters either, and there are no more lines than it has', () => {
  const view = viewOf(...Array.from({ length: 40 }, (_, place): GivenJob => ({ name: `家賃の統計 ${place}`, steps: [`家賃/${'長い'.repeat(20)}-${place}.py`] })));
  const failed = view.tasks[30]!.task.script;
  view.change(failed, { state: 'failed', seconds: 1, reason: 'x'.repeat(500), stderr: '家'.repeat(200) });
  const terminal = new Emulator(40, 12);
  const screen = new Screen(terminal, false);
  for (const seconds of [1, 2, 3]) screen.draw(tree(view, at(seconds)));
  const lines = terminal.text.split('\n');
  expect(lines.length).toBeLessThanOrEqual(11);
  // Each of these characters takes two columns.
  const wide = (line: string): number => Array.from(line).length + (line.match(/\p{Script=Han}|\p{Script=Hiragana}/gu) ?? []).length;
  expect(Math.max(...lines.map(wide))).toBeLessThan(40);
  expect(lines[0]).toBe('rents 3  3.0 s  1 of 40 done, 1 failed');
  expect(lines.some((line) => line.startsWith('  ✖'))).toBe(true);
  expect(lines.at(-1)).toMatch(/^… and \d+ more lines$/);
  expect(terminal.outOfReach).toBe(0);
});

test('what runs and what failed is left out last', () => {
  const rest = fitted([{ rank: 0, pieces: [] }, { rank: 2, pieces: [] }, { rank: 2, pieces: [] }, { rank: 1, pieces: [] }], 3);
  expect(rest.map(({ rank }) => rank)).toEqual([0, 1, 0]);
});

test('colours are left out where they are not wanted', () => {
  const written = (hasColour: boolean): string => {
    let text = '';
    const view = viewOf(...JOBS);
    view.change('grab.py', { state: 'failed', seconds: 1 });
    new Screen({ columns: 80, rows: 24, write: (more) => (text += more) }, hasColour).draw(tree(view, at(1)));
    return text;
  };
  expect(written(true)).toContain('\x1b[31m✖ \x1b[39m');
  expect(written(false)).not.toContain('\x1b[31m');
});
