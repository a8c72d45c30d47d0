import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseAddress } from '../../src/db/database.ts';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { runProgram, startProgram, type Ended } from '../program.ts';

let address: DatabaseAddress;
let daemon: ReturnType<typeof startProgram>;
/** A job that is completed. */
let done: string;
const env = () => ({ DATABASE_URL: urlOf(address), AFTERGLOW_RUNNERS: 'test/jobs/pipeline.ts', AFTERGLOW_FIXTURES: 'test/jobs/fixtures', USER: 'dora' });
const jobs = (...args: string[]): Promise<Ended> => runProgram(['jobs', ...args], env());
beforeAll(async () => {
  address = await createDatabaseAddress();
  daemon = startProgram(['start', '--no-web'], env());
  await daemon.saw('jobs that can be enqueued: \\"Shout\\", \\"Sleep\\", \\"Apart\\"');
}, 30_000);
afterAll(async () => {
  daemon.child.kill('SIGTERM');
  await daemon.ended;
});

describe('afterglow jobs', () => {
  test('names the types, enqueues, waits and shows', async () => {
    const [names, given, wrong, unknown, noJson] = await Promise.all([
      jobs('names', '--json'), jobs('enqueue', 'Shout', '{"text": "hello"}', '--wait', '20'), jobs('enqueue', 'Shout', '{"text": 5}'), jobs('enqueue', 'Shuot'), jobs('enqueue', 'Shout', 'hello'),
    ]);
    expect((JSON.parse(names.stdout) as object[]).slice(0, 3)).toMatchObject([{ name: 'Shout', description: 'Says it louder.', owner: 'ada', version: 1, active: true }, { name: 'Sleep' }, { name: 'Apart' }]);
    expect(given).toMatchObject({ code: 0, stdout: '"HELLO"\n' });
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('arguments.text should be string, found 5') });
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('did you mean "Shout"?') });
    expect(noJson).toMatchObject({ code: 2, stderr: expect.stringContaining('Expected JSON') });
    done = (JSON.parse((await jobs('list', '--json')).stdout) as [{ id: string }])[0].id;
    const [shown, json] = await Promise.all([jobs('show', done), jobs('show', done, '--json')]);
    expect(shown.stdout).toMatch(/^Job \d+ "Shout" is completed\.\n {2}arguments {5}\{"text":"hello"\}\n {2}enqueued {6}.* UTC by person dora\n/);
    expect(JSON.parse(json.stdout)).toMatchObject({ id: done, state: 'completed', result: 'HELLO', enqueuedBy: 'person dora' });
  }, 60_000);

  test('cancels what runs with what follows from it, says by its exit code what came of waiting, and requeues', async () => {
    const sleep = (await jobs('enqueue', 'Sleep')).stdout.trim();
    const late = (await jobs('enqueue', 'Shout', '{"text": "later"}', '--parent', sleep, '--priority', '2', '--timeout', '60')).stdout.trim();
    const [list, patience, again] = await Promise.all([jobs('list', '--state', 'pending'), jobs('wait', sleep, '--timeout', '0.5'), jobs('requeue', done)]);
    expect(list.stdout).toContain(`waits for ${sleep}`);
    expect(patience).toMatchObject({ code: 3, stderr: expect.stringContaining('it is running and goes on') });
    expect(again.stdout).toBe(`Requeued 1 job: ${done}.\n`);
    const cancelled = await jobs('cancel', sleep, late, '--reason', 'enough', '--json');
    expect(JSON.parse(cancelled.stdout)).toEqual([{ id: sleep, answer: 'stopping' }, { id: late, answer: 'cancelled' }]);
    const [waited, waitedAgain, children, explained] = await Promise.all([jobs('wait', sleep), jobs('wait', done, '--json'), jobs('list', '--parent', sleep, '--json'), runProgram(['explain', late], env())]);
    expect(waited).toMatchObject({ code: 1, stderr: expect.stringContaining(`JobCancelledError: Job ${sleep} "Sleep" was cancelled: Cancelled by person dora: enough`) });
    expect(waitedAgain).toMatchObject({ code: 0, stdout: `[{"id":"${done}","result":"HELLO"}]\n` });
    // What the cancelled one had enqueued is not there.
    expect(JSON.parse(children.stdout)).toMatchObject([{ id: late, state: 'cancelled' }]);
    expect(explained.stdout).toContain('Cancelled by person dora: enough');
  }, 60_000);

  test('runs jobs in processes of their own, which can enqueue more and get the results of parents', async () => {
    const [first, waits] = await Promise.all([jobs('enqueue', 'Apart', '{"n": 1}', '--wait', '30', '--json'), jobs('enqueue', 'Apart', '{"n": -1}', '--wait', '30')]);
    expect(waits).toMatchObject({ code: 1, stderr: expect.stringMatching(/The runner of "Apart" of \d+ must not wait for job/) });
    const { id, result } = JSON.parse(first.stdout) as { id: string; result: { pid: number; parents: unknown[] } };
    expect(result.pid).not.toBe(daemon.child.pid);
    const [child] = JSON.parse((await jobs('list', '--parent', id, '--json')).stdout) as [{ id: string; enqueuedBy: string }];
    expect(child.enqueuedBy).toBe(`"Apart" of ${id}, attempt 1`);
    expect(JSON.parse((await jobs('wait', child.id, '--timeout', '30')).stdout)).toMatchObject({ parents: [{ pid: result.pid }] });
  }, 60_000);
});
