import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { detachedContext, JobRunner, skip, step, type JobContext } from '../../src/index.ts';
import { checkGraph } from '../../src/runner/check/check-graph.ts';
import { readArguments } from '../../src/runner/job-arguments.ts';
import { jobRunners, jobTasks } from '../../src/runner/job-tasks.ts';
import { withOwnStatuses } from '../../src/runner/own-statuses.ts';
import { BUILT_IN } from '../../src/status/status.ts';

class Shout extends JobRunner<{ text: string; times: number }, string> {
  readonly taskName = 'Shout';
  override readonly description = 'Says it louder.';
  override readonly owner = 'ada';
  readonly args = z.object({ text: z.string(), times: z.number().default(1) });
  override readonly result = z.string();
  run({ text, times }: { text: string; times: number }, { job, log }: JobContext) {
    log.info(`${job.name} ${job.id}`);
    return text === '' ? skip('nothing to say', { times }) : text.toUpperCase().repeat(times);
  }
}
const shout = new Shout();
const job = (data: object) => ({ id: '7', name: '7', data: data as Record<string, never> });

describe('a type of jobs', () => {
  it('can be called from a test or a notebook with plain objects', async () => {
    const lines: string[] = [];
    const context = detachedContext({ log: { info: (line) => void lines.push(line), warn: (line) => void lines.push(line) } });
    expect(await shout.runProcess(job({ text: 'a', times: 2 }), context)).toEqual({ status: 'completed', result: 'AA' });
    expect(await shout.runProcess(job({ text: '' }), context)).toEqual({ status: 'skipped', result: { reason: 'nothing to say', times: 1 } });
    await expect(shout.runProcess(job({}), context)).rejects.toThrow('arguments.text should be string, found nothing');
    expect(await shout.runProcess(job({ text: 'a', volume: 11 }), context)).toEqual({ status: 'completed', result: 'A' });
    expect(lines).toEqual(['Shout 7', 'Shout 7', 'arguments that version 1 of "Shout" does not know were left out: arguments.volume', 'Shout 7']);
    // What it needs of a database has to be given.
    expect(() => context.jobs).toThrow('give detachedContext `jobs`');
    expect(await context.parentResults()).toEqual([]);
  });

  it('has its task and its statuses from the code, of a kind of its own, and stands the checks of the graph', () => {
    expect(jobTasks([shout])).toEqual([{ name: 'Shout', kind: 'job:Shout', description: 'Says it louder.', owner: 'ada', active: true, timeLimitSeconds: null }]);
    const builtIn = BUILT_IN.map(({ message, type }) => ({ message, type }));
    const statuses = withOwnStatuses([...builtIn, { message: 'failed', type: 'warning' }], [shout]);
    expect(statuses.slice(3)).toEqual([{ message: 'completed', type: 'success' }, { message: 'skipped', type: 'success' }, { message: 'failed', type: 'error' }, { message: 'cancelled', type: 'error' }]);
    expect(checkGraph({ statuses, tasks: jobTasks([shout]), runners: [shout] })).toEqual([]);
    expect(withOwnStatuses(builtIn, [])).toEqual(builtIn);
  });

  it('with the name of another task is refused', () => {
    const twice = checkGraph({ statuses: withOwnStatuses(BUILT_IN.map(({ message, type }) => ({ message, type })), [shout]), tasks: [...jobTasks([shout]), ...jobTasks([shout])], runners: [shout, new Shout()] });
    expect(twice.map(({ code }) => code)).toEqual(expect.arrayContaining(['name-twice', 'two-runners']));
    expect(jobRunners([shout, {} as never])).toEqual([shout]);
  });

  it('can be one of several steps, with options of its own', () => {
    expect(step(shout, { text: 'a' }, { priority: 3 })).toEqual({ type: shout, args: { text: 'a' }, options: { priority: 3 } });
  });
});

describe('reading arguments', () => {
  it('tells everything that is wrong at once, with its place', () => {
    const type = { taskName: 'Deep', args: z.object({ list: z.array(z.object({ n: z.number().max(3) })), mode: z.enum(['a', 'b']) }) };
    let problems: unknown;
    try {
      readArguments(type, { list: [{ n: 1 }, { n: '2' }, { n: 9 }], mode: 'c' });
    } catch (error) {
      ({ problems } = error as { problems: unknown });
    }
    expect(problems).toMatchObject([{ path: 'arguments.list[1].n', expected: 'number', found: '"2"' }, { path: 'arguments.list[2].n', found: '9' }, { path: 'arguments.mode', found: '"c"' }]);
  });

  it('leaves out what a strict type does not know, wherever it stands, and changes nothing of what it was given', () => {
    const type = { taskName: 'Strict', args: z.strictObject({ of: z.strictObject({ n: z.number() }), list: z.array(z.strictObject({ m: z.number() })) }) };
    const given = { of: { n: 1, more: true }, list: [{ m: 1 }, { m: 2, less: [] }], and: null };
    const copy = structuredClone(given);
    expect(readArguments(type, given)).toEqual({ args: { of: { n: 1 }, list: [{ m: 1 }, { m: 2 }] }, unknown: ['arguments.of.more', 'arguments.list[1].less', 'arguments.and'] });
    expect(given).toEqual(copy);
  });
});
