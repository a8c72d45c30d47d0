import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { z } from 'zod';
import type { Database } from '../../src/db/database.ts';
import type { Run } from '../../src/db/hot.ts';
import { describeObstacle, describeRoots } from '../../src/engine/explain/describe.ts';
import { explain } from '../../src/engine/explain/obstacles.ts';
import { readSnapshot } from '../../src/engine/explain/snapshot.ts';
import { DatabaseJobs } from '../../src/jobs/jobs.ts';
import { checkGraph } from '../../src/runner/check/check-graph.ts';
import { JobRunner } from '../../src/runner/job.ts';
import { step } from '../../src/runner/jobs.ts';
import { editSchedule } from '../../src/schedule/edit-schedule.ts';
import { syncSchedules } from '../../src/schedule/sync-schedules.ts';
import { createWorld } from '../engine/create-world.ts';
import { throws } from '../engine/scripted-runner.ts';
import { STATUSES } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from '../jobs/job-world.ts';
import { task } from '../runner/check/pipeline.ts';
import { rowOf, ScheduledRunner } from '../schedule/given.ts';
import { sources } from '../sources.ts';

// What went wrong in the systems that this one takes in, where no other test tries it already; docs/coverage.md lists all of it.

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

class Wish extends JobRunner<{ n: number }> {
  readonly taskName = 'Wish';
  readonly args = z.object({ n: z.number() });
  override run(): void {}
}

const CODE_FROM_TEXT = /\beval\s*\(|\bnew\s+Function\b|\bFunction\s*\(|\bfrom\s+'(?:node:)?vm'|\bvm\.run|\bset(?:Timeout|Interval)\(\s*['"`]/u;

describe('requests of people', () => {
  it('Td8: no text of a table or a file is run as code', () => {
    const files = [...sources('src/**/*.ts', 'src/**/*.js', 'runners/**/*.ts')];
    expect(files.length).toBeGreaterThan(100);
    expect(files.filter(([, text]) => CODE_FROM_TEXT.test(text)).map(([file]) => file)).toEqual([]);
    // What is looked for would be found.
    for (const bad of ['eval(row.executor)', 'new Function(text)', `import vm from 'node:vm'`, `setTimeout('go()', 1)`]) expect(bad).toMatch(CODE_FROM_TEXT);
  });

  it('Td8: a name that is SQL is a name', async () => {
    const name = `x'); drop table attempt; --`;
    const world = await createWorld(database, { tasks: { [name]: {} } });
    await world.add('a');
    await world.engine().work();
    expect((await world.entry('a', name)).status).toBe('processed');
    expect(await database.em().execute(`select count(*)::int as attempts from attempt`)).toEqual([{ attempts: 1 }]);
  });

  it('Td9: one class may do several tasks', async () => {
    const world = await createWorld(database, { tasks: { Entries: {}, Tweets: {}, Analytics: { needs: { Entries: 'processed' } } } });
    expect(new Set(world.runners.map((runner) => runner.constructor)).size).toBe(1);
    expect(checkGraph({ statuses: STATUSES, tasks: ['Entries', 'Tweets', 'Analytics'].map((name) => task(name)), runners: world.runners })).toEqual([]);
    await world.add('a');
    await world.engine().work();
    for (const name of ['Entries', 'Tweets', 'Analytics'] as const) expect((await world.entry('a', name)).status).toBe('processed');
  });

  it('Td10: an edit of a schedule leaves alone what it does not name', async () => {
    await syncSchedules(database.em(), [new ScheduledRunner({ taskName: 'Weekly deletion', schedule: '0 22 * * 5' })], systemClock);
    await editSchedule(database.em(), 'Weekly deletion', { pattern: '30 22 * * 5', timeZone: 'Asia/Tokyo' }, 'dora');
    await editSchedule(database.em(), 'Weekly deletion', { enabled: false }, 'emil');
    expect(await rowOf(database, 'Weekly deletion')).toMatchObject({ pattern: '30 22 * * 5', time_zone: 'Asia/Tokyo', enabled: false });
  });
});

describe('a coverage service', () => {
  it('Cd13: a thousand jobs are enqueued by one statement, and nothing else is asked', async () => {
    const apart = await createDatabase();
    await createJobWorld(apart, [new Wish()]);
    const asked: string[] = [];
    const run: Run = (statement, values) => {
      asked.push(statement.text);
      return apart.hot.run(statement, values);
    };
    await new DatabaseJobs({ run, by: 'test' }).group(Array.from({ length: 1_000 }, (_, n) => step(new Wish(), { n })));
    expect(asked).toHaveLength(1);
    expect(await apart.em().execute(`select count(*)::int as jobs from job`)).toEqual([{ jobs: 1_000 }]);
  });
});

describe('blast', () => {
  it('Bd6: a task that throws stops nothing that does not wait for it, and what does says why', async () => {
    const world = await createWorld(database, {
      tasks: { Cutout: {}, Local: { needs: { Cutout: 'processed' } }, Global: { needs: { Cutout: 'processed' } }, 'Local fit': { needs: { Local: 'processed' } }, 'Global fit': { needs: { Global: 'processed' } } },
    });
    world.runner('Local').does(throws(new Error('no such aperture')));
    await world.add('a');
    await world.engine().work();
    const statuses = await Promise.all((['Cutout', 'Local', 'Global', 'Local fit', 'Global fit'] as const).map(async (name) => (await world.entry('a', name)).status));
    expect(statuses).toEqual(['processed', 'failed', 'processed', 'not processed', 'processed']);
    const explanation = explain(await readSnapshot(database.hot.run, ['a'])).find((one) => one.task === 'Local fit')!;
    const about = { subject: 'a', task: 'Local fit', now: new Date() };
    expect(explanation.obstacles.map((obstacle) => describeObstacle(obstacle, about))[0]).toMatch(/^It waits for "Local" to be "processed"; that is "failed"/);
    expect(describeRoots(explanation, about.now)).toEqual([expect.stringMatching(/^It comes down to "Local": it failed at .*, of the science: no such aperture/)]);
  });
});
