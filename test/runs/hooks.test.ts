import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import type { EndedHookTask, HookTask } from '../../src/runner/run-hooks.ts';
import { loadHooks } from '../../src/runs/load-hooks.ts';
import { jobFolder } from './job-folder.ts';
import { createRuns, ok } from './world.ts';

const { run } = createRuns();

test('onTaskReady sees the job, the parents with their results and the children, and sets the arguments (M16, M17)', async () => {
  const folder = await jobFolder({
    'grab.sh': ok('', { output_url: 's3://bucket/a b.csv', rows: 7 }), 'load.sh': ok('echo "$#:$1:$2" > args; cat > stdin'), 'publish.sh': ok(),
    'jobs.json': [{ name: 'Rents', table: 'rent', steps: ['grab.sh', 'load.sh', 'publish.sh'] }],
  });
  const seen: object[] = [];
  const onTaskReady = (task: HookTask): void => {
    const { script, job, parents, children, attempt } = task;
    seen.push({ script, job: job.name, attempt, parents: parents.map((one) => [one.script, one.state, one.result?.rows]), children: children.map((one) => [one.script, one.state, one.result]) });
    if (script !== 'load.sh') return;
    task.args = [String(parents[0]!.result!.output_url), String(job.parameters.table)];
    task.input.note = 'from the hook';
  };
  expect(await run(folder, { hooks: { onTaskReady } })).toMatchObject({ state: 'finished' });
  expect(await readFile(path.join(folder, 'args'), 'utf8')).toBe('2:s3://bucket/a b.csv:rent\n');
  expect(JSON.parse(await readFile(path.join(folder, 'stdin'), 'utf8'))).toMatchObject({ note: 'from the hook', job: { table: 'rent' } });
  expect(seen[1]).toEqual({ script: 'load.sh', job: 'Rents', attempt: 1, parents: [['grab.sh', 'success', 7]], children: [['publish.sh', 'waiting', undefined]] });
});

test('onTaskComplete and onTaskFail come when the end is written, with what the script said (M15, M16)', async () => {
  const folder = await jobFolder({
    'good.sh': ok('echo loaded; echo a warning >&2', { rows: 7 }), 'bad.sh': 'echo so far; echo no table >&2; exit 2', 'after.sh': ok(),
    'jobs.json': [{ steps: ['good.sh', 'bad.sh', 'after.sh'] }],
  });
  const ended: object[] = [];
  const note = (hook: string) => ({ script, state, result, reason, stdout, stderr }: EndedHookTask): void => void ended.push({ hook, script, state, result, reason, stdout, stderr });
  const hooks = { onTaskComplete: note('complete'), onTaskFail: note('fail') };
  await run(folder, { name: 'ends', hooks });
  expect(ended).toEqual([
    { hook: 'complete', script: 'good.sh', state: 'success', result: { status: 'success', rows: 7 }, reason: undefined, stdout: 'loaded', stderr: 'a warning\n' },
    { hook: 'fail', script: 'bad.sh', state: 'failed', result: undefined, reason: expect.stringContaining('exit code 2'), stdout: 'so far', stderr: 'no table\n' },
  ]);
  await run(folder, { name: 'ends', hooks });
  expect(ended[2]).toMatchObject({ hook: 'complete', script: 'good.sh', state: 'unchanged', result: { rows: 7 } });
});

test('a script is ready when the hooks of all its parents are through', async () => {
  const folder = await jobFolder({ 'a.sh': ok('', { rows: 1 }), 'b.sh': ok('', { rows: 2 }), 'c.sh': ok(), 'jobs.json': [{ steps: [['a.sh', 'b.sh'], 'c.sh'] }] });
  const seen: unknown[] = [];
  await run(folder, {
    hooks: {
      onTaskReady: ({ script, parents }) => void seen.push(['ready', script, ...parents.map(({ result }) => result?.rows)]),
      onTaskComplete: async ({ script }) => {
        // Longer than a look at the register takes.
        await delay(script === 'a.sh' ? 150 : 0);
        seen.push(['complete', script]);
      },
    },
  });
  expect(seen.slice(-3)).toEqual([['complete', 'a.sh'], ['ready', 'c.sh', 1, 2], ['complete', 'c.sh']]);
});

test('what onTaskReady throws fails the script; what the others throw fails the run and stops nothing', async () => {
  const folder = await jobFolder({ 'a.sh': ok(), 'b.sh': ok(), 'c.sh': ok(), 'jobs.json': [{ steps: ['a.sh'] }, { steps: ['b.sh', 'c.sh'] }] });
  const ended = await run(folder, {
    hooks: {
      onTaskReady: async ({ script }) => {
        if (script === 'a.sh') throw new Error('no such bucket');
      },
      onTaskComplete: ({ script }) => {
        if (script === 'b.sh') throw new Error('cannot tell anybody');
      },
    },
  });
  expect(ended.states).toEqual(['a.sh: failed', 'b.sh: success', 'c.sh: success']);
  expect(ended.of('a.sh').reason).toBe('The hook onTaskReady threw for "a.sh": no such bucket');
  expect(ended).toMatchObject({ state: 'failed', message: 'The hook onTaskComplete threw for "b.sh": cannot tell anybody' });
});

test('a hooks file is TypeScript, and one that exports nothing of use is refused', async () => {
  const folder = await jobFolder({
    'hooks.ts': 'export function onTaskReady(task: { args: string[] }): void { task.args = []; }\nexport const name: string = "x";',
    'typo.ts': 'export function onTaskRaedy() {}', 'none.ts': 'export const a = 1;', 'wrong.ts': 'export const onTaskFail = 3;', 'broken.ts': 'export const = 1;',
  });
  expect(Object.keys(await loadHooks(path.join(folder, 'hooks.ts')))).toContain('onTaskReady');
  const message = (name: string) => loadHooks(path.join(folder, name)).then(() => 'loaded', (error: unknown) => (expect(error).toBeInstanceOf(ConfigError), (error as Error).message));
  expect(await message('typo.ts')).toMatch(/exports "onTaskRaedy"; did you mean "onTaskReady"\?$/);
  expect(await message('none.ts')).toMatch(/must export at least one of onTaskReady, onTaskComplete, onTaskFail; it exports a\.$/);
  expect(await message('wrong.ts')).toMatch(/must export "onTaskFail" as a function; it is number\.$/);
  expect(await message('broken.ts')).toMatch(/cannot be loaded: /);
  expect(await message('gone.ts')).toMatch(/cannot be loaded: /);
});
