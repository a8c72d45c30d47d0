import { beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { startDaemon } from '../daemon/start-daemon.ts';
import { createWorld } from '../engine/create-world.ts';
import { gate, hangs, obeys } from '../engine/scripted-runner.ts';
import { createDatabase, urlOf } from '../harness.ts';
import { runProgram, type Ended } from '../program.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

// The shipped pipeline has runners of these names.
const tasks = { 'Transient information': {}, 'Host match': { needs: { 'Transient information': 'processed' } } };
const afterglow = (...args: string[]): Promise<Ended> => runProgram(args, { DATABASE_URL: urlOf(database.address), USER: 'dora' });

describe('hold, unhold and explain', () => {
  test('hold, say why nothing happens, and let go again', async () => {
    const world = await createWorld(database, { tasks });
    await world.add('2010ag', '2010ai');
    await world.put('2010ai', 'Transient information', 'processed');
    await database.em().execute(`update task set runner_version = 0`);
    const wrong = await afterglow('hold', '2010ag', 'Host mach', '--reason', 'bad field');
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('did you mean "Host match"?') });
    expect(await database.em().execute(`select * from hold`)).toEqual([]);

    const placed = await afterglow('hold', '2010ag', '2010ai', 'Host match', '--reason', 'bad field', '--until', '1d12h', '--json');
    expect(JSON.parse(placed.stdout)).toMatchObject([
      { subject: '2010ag', task: 'Host match', reason: 'bad field', by: 'person dora', running: 0, before: null, until: expect.any(String) }, { subject: '2010ai', task: 'Host match' },
    ]);
    const hours = (Date.parse((JSON.parse(placed.stdout) as { until: string }[])[0]!.until) - Date.now()) / 3_600_000;
    expect(hours).toBeCloseTo(36, 0);

    const [words, json] = await Promise.all([afterglow('explain', '2010ag'), afterglow('explain', '2010ai', 'Host match', '--json')]);
    expect(words.stdout).toMatch(/^"Transient information" of 2010ag: not processed\n {2}No daemon is alive; "afterglow start" starts one\.\n"Host match" of 2010ag: not processed\n {2}It waits for "Transient information" to be "processed"; .*\n {2}It is held by person dora since .*: bad field; until .* \(in 36 h\); "afterglow unhold 2010ag 'Host match'" lets it go\.\n/);
    expect(words.stdout).toContain('It comes down to "Transient information": no daemon is alive');
    expect(JSON.parse(json.stdout)).toMatchObject([{ subject: '2010ai', task: 'Host match', claimable: false, roots: [], obstacles: [{ kind: 'hold', reason: 'bad field', text: expect.stringContaining('bad field') }, { kind: 'no daemon' }] }]);

    const lifted = await afterglow('unhold', '2010ag', '2010ai', 'Host match');
    expect(lifted.stdout).toMatch(/^"Host match" of 2010ag is let go\. It was held by person dora until .*: bad field\.\n"Host match" of 2010ai is let go\./);
    expect(await database.em().execute(`select from task_register where held`)).toEqual([]);
  }, 60_000);
});

describe('cancel', () => {
  test('stops what runs elsewhere, waits for it, and says by its exit code what came of it', async () => {
    const world = await createWorld(database, { tasks: { 'Host match': {} } });
    await world.add('obeys', 'hangs');
    world.runner('Host match').on('obeys', obeys).on('hangs', hangs);
    await startDaemon(world, { settleSeconds: 6 });
    await Promise.all(['obeys', 'hangs'].map((name) => world.runner('Host match').began(name)));
    const cancel = (name: string, ...more: string[]) => afterglow('cancel', name, 'Host match', '--reason', 'wrong image', ...more);
    const [stopped, hung] = await Promise.all([cancel('obeys'), cancel('hangs', '--wait', '0.5', '--json')]);
    expect(stopped).toMatchObject({ code: 0, stdout: `Attempt 1 of "Host match" of obeys was stopped; its status is "not processed". It is held: "afterglow unhold obeys 'Host match'" lets it run again.\n` });
    expect(hung.code).toBe(3);
    expect(JSON.parse(hung.stdout)).toMatchObject({ subject: 'hangs', task: 'Host match', status: 'processing', attempt: 1, outcome: null, daemon: expect.stringMatching(/^daemon \d+ \(/) });
    expect((await world.entry('obeys', 'Host match')).held).toBe(true);
  }, 60_000);

  test('says that it finished where it finished first, and exits with 1', async () => {
    const world = await createWorld(database, { tasks: { 'Host match': {} } });
    await world.add('a');
    const { script, open } = gate();
    world.runner('Host match').does(script);
    // An engine without a daemon: nobody here listens.
    const { engine, quiet } = world.engine();
    await engine.wake();
    await world.runner('Host match').began('a');
    const cancelling = afterglow('cancel', 'a', 'Host match', '--reason', 'wrong image');
    await expect.poll(async () => (await world.entry('a', 'Host match')).cancel_reason, { timeout: 20_000 }).toBe('wrong image');
    open();
    await quiet();
    expect(await cancelling).toMatchObject({ code: 1, stdout: expect.stringContaining('Attempt 1 of "Host match" of a finished before it could be stopped; its status is "processed". It is held') });
  }, 60_000);
});
