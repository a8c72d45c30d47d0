import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { describeLoad, loadFixtures } from '../../src/db/load-fixtures.ts';
import type { Fixtures, ResourceFixture } from '../../src/fixtures/fixture.ts';
import { createDatabase } from '../harness.ts';
import { empty, fixtures, resource, STATUSES, syncTo, task, transient } from './fixture-rows.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});
beforeEach(() => empty(database));

const TASKS = { tasks: [task('A'), task('B')], transients: [transient('x'), transient('y')] };
const load = (given: Partial<Fixtures>, uses: Record<string, number> = {}) =>
  loadFixtures(database.em(), fixtures({ ...TASKS, ...given }), { sync: syncTo({ A: {} }, STATUSES, 'no host', { uses }) });
const none = { added: [], changed: [], removed: [], kept: [], unchanged: 0 };
const rows = () => database.em().execute<Record<string, unknown>[]>(`select * from resource order by name`);
/** Every row that a load may write, with its version: a row that was written again has another one. */
const versions = () =>
  database.em().execute(`select 'resource' as of, xmin::text, ctid::text from resource union all select 'task', xmin::text, ctid::text from task
    union all select 'use', xmin::text, ctid::text from task_use order by 1, 3`);

describe('the resources of the fixtures', () => {
  test('are added, changed where they differ, and said', async () => {
    const tns = resource('tns', { concurrency: 2, perMinute: 60, breaker: { failures: 3, coolSeconds: 60, longestCoolSeconds: 3600 } });
    const report = await load({ resources: [tns, resource('sdss')] });
    expect(report.resources).toEqual({ ...none, added: ['tns', 'sdss'] });
    expect(await rows()).toMatchObject([
      { name: 'sdss', concurrency: null, per_minute: null, failures_to_open: 5, cool_seconds: 30, longest_cool_seconds: 600, state: 'closed', failures: 0 },
      { name: 'tns', concurrency: 2, per_minute: 60, failures_to_open: 3, cool_seconds: 60, longest_cool_seconds: 3600, state: 'closed', failures: 0 },
    ]);
    expect((await load({ resources: [{ ...tns, description: 'The Transient Name Server.' }, resource('sdss')] })).resources).toEqual({ ...none, changed: ['tns'], unchanged: 1 });
    expect((await rows())[1]).toMatchObject({ description: 'The Transient Name Server.' });
  });

  test('keep how their breakers stand, whatever is loaded', async () => {
    await load({ resources: [resource('tns')] });
    await database.em().execute(
      `update resource set state = 'open', failures = 7, opened_at = now(), open_until = now() + interval '1 h', cooling_seconds = 120, last_error = 'away', last_failed_at = now()`,
    );
    const [before] = await rows();
    const changed = resource('tns', { concurrency: 1, breaker: { failures: 1, coolSeconds: 5, longestCoolSeconds: 50 } });
    await load({ resources: [changed] });
    expect(await rows()).toEqual([{ ...before, concurrency: 1, failures_to_open: 1, cool_seconds: 5, longest_cool_seconds: 50 }]);
  });

  test('that leave are removed, and what waited for them waits no more', async () => {
    await load({ resources: [resource('tns'), resource('sdss')] });
    await database.em().execute(`update task_register set due_at = now() + interval '1 day', waits_for = case when subject_id = 1 then 'tns' else 'sdss' end where task_id = 1`);
    const client = await database.connect('test');
    try {
      await client.query('listen afterglow_ready');
      const heard = new Promise((resolve) => client.on('notification', ({ payload }) => resolve(payload)));
      expect((await load({ resources: [resource('sdss')] })).resources).toEqual({ ...none, removed: ['tns'], unchanged: 1 });
      expect(await heard).toBe('1');
    } finally {
      await client.end();
    }
    expect(await database.em().execute(`select subject_id, due_at is null as free, waits_for from task_register where task_id = 1 order by 1`)).toEqual([
      { subject_id: '1', free: true, waits_for: null }, { subject_id: '2', free: false, waits_for: 'sdss' },
    ]);
  });

  test('that leave stay as long as a task uses them that no runner here speaks for', async () => {
    await load({ resources: [resource('tns'), resource('sdss')] }, { tns: 1 });
    const report = await loadFixtures(database.em(), fixtures(TASKS), { sync: syncTo({ B: {} }) });
    expect(report.resources).toEqual({ ...none, removed: ['sdss'], kept: ['tns'] });
    expect(describeLoad(report)).toContain('resources: 1 removed ("sdss"), 1 kept, as tasks use them ("tns")');
    expect((await rows()).map(({ name }) => name)).toEqual(['tns']);
    // With its last mention in a runner, or with its task, it can go.
    expect((await load({})).resources).toEqual({ ...none, removed: ['tns'] });
    await load({ resources: [resource('tns')] }, { tns: 1 });
    expect((await loadFixtures(database.em(), fixtures(), { sync: syncTo({}) })).resources).toEqual({ ...none, removed: ['tns'] });
  });

  test('that no runner may use are named with the nearest', async () => {
    await expect(load({ resources: [resource('tns')] }, { tsn: 1 })).rejects.toMatchObject({ code: 'UNKNOWN_NAME', what: 'resource', message: expect.stringContaining('"tns"') });
    expect(await rows()).toEqual([]);
  });

  test('loaded again are not written again, whatever they are and whoever uses them', async () => {
    const limit = fc.option(fc.integer({ min: 1, max: 1_000_000 }));
    const seconds = fc.double({ min: 1e-3, max: 604_800, noNaN: true });
    const names = fc.oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => /^[^\p{C}]+$/u.test(text)), fc.constantFrom('tns', 'tns-sandbox', 't', "o'neill?", 'constructor', 'toString', 'null', '__proto__x'));
    const one: fc.Arbitrary<ResourceFixture> = fc.record({
      name: names, description: fc.string(), concurrency: limit, perMinute: limit, breaker: fc.record({ failures: fc.integer({ min: 1, max: 1_000_000 }), coolSeconds: seconds, longestCoolSeconds: seconds }),
    }).map((given) => ({ ...given, description: given.description.replaceAll('\0', '') }));
    const some = fc.uniqueArray(one, { selector: ({ name }) => name, minLength: 1, maxLength: 5 });
    const used = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { maxLength: 5 });
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(some, used, async (resources, units) => {
        runs += 1;
        const uses = Object.fromEntries(units.slice(0, resources.length).map((count, at) => [resources[at]!.name, count]));
        await load({ resources }, uses);
        const before = await versions();
        expect((await load({ resources }, uses)).resources).toEqual({ ...none, unchanged: resources.length });
        expect(await versions()).toEqual(before);
        expect(Object.fromEntries((await database.em().execute<{ resource: string; units: number }[]>(`select resource, units from task_use`)).map((row) => [row.resource, row.units]))).toEqual(uses);
      }),
      { numRuns: 25 },
    );
    expect(runs).toBeGreaterThanOrEqual(25);
  });
});
