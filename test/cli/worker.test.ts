import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { readConfig } from '../../src/config.ts';
import type { Database } from '../../src/db/database.ts';
import { createLog } from '../../src/log.ts';
import { openHome, prepare, prepareWork } from '../../src/prepare.ts';
import { createDatabase, urlOf } from '../harness.ts';
import { ROOT, runProgram, startProgram } from '../program.ts';

let database: Database;
let folder: string;
let env: NodeJS.ProcessEnv;

// "Match" and "Other" run until the test opens their gate, but for subjects whose name begins with "quick". From version 2 on,
// "Match" waits for "Other", which wants a label.
const RUNNERS = `
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { TransientTaskRunner } from '${ROOT}/src/index.ts';
class Gated extends TransientTaskRunner {
  schedule = '0 0 29 2 *'; failedStatusMessage = 'failed'; prerequisites = {};
  async runProcess({ name }, { log, signal }) {
    log.warn('began ' + this.taskName + ' of ' + name);
    while (!name.startsWith('quick') && !existsSync('FOLDER/open-' + name)) await delay(20, undefined, { signal });
    return 'processed';
  }
}
class Match extends Gated {
  taskName = 'Match'; version = Number(process.env.MATCH_VERSION ?? 1);
  prerequisites = this.version === 1 ? {} : { Other: 'processed' };
}
class Other extends Gated { taskName = 'Other'; requires = ['old']; }
export const periodicRunners = [new Match(), new Other()];`;

beforeAll(async () => {
  database = await createDatabase();
  folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-worker-'));
  await writeFile(path.join(folder, 'runners.ts'), RUNNERS.replaceAll('FOLDER', folder));
  await writeFile(path.join(folder, 'tasks.yaml'), '# what: tasks\n- { name: Match, kind: transient }\n- { name: Other, kind: transient }\n');
  env = { DATABASE_URL: urlOf(database.address), AFTERGLOW_RUNNERS: path.join(folder, 'runners.ts'), AFTERGLOW_FIXTURES: `${ROOT}/fixtures/statuses.yaml:${folder}/tasks.yaml`, AFTERGLOW_DATA: folder, AFTERGLOW_LEASE_SECONDS: '2' };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a daemon does before it begins. */
async function prepareDatabase(): Promise<void> {
  const home = await openHome(readConfig({}, { ...env, AFTERGLOW_LOG: 'silent' }), createLog('silent'));
  try {
    await prepare(home);
  } finally {
    await home.close();
  }
}

function start(args: readonly string[], more: NodeJS.ProcessEnv = {}): ReturnType<typeof startProgram> {
  const started = startProgram(args, { ...env, ...more });
  onTestFinished(() => void started.child.kill('SIGKILL'));
  return started;
}

async function add(...names: string[]): Promise<void> {
  await database.em().execute(
    `with added as (insert into subject (kind, name) select 'transient', n from jsonb_array_elements_text(?::jsonb) n returning id)
     insert into transient (subject_id, ra_deg, dec_deg) select id, 150, 2 from added`,
    [JSON.stringify(names)],
  );
}

const open = (name: string): Promise<void> => writeFile(path.join(folder, `open-${name}`), '');

interface AttemptRow {
  subject: string;
  task: string;
  attempt: number;
  outcome: string;
  runner_version: number;
  pid: number;
}
const attempts = (task: string, name: string) =>
  database.em().execute<AttemptRow[]>(
    `select s.name as subject, t.name as task, a.attempt, a.outcome, a.runner_version, d.pid from attempt a
       join subject s on s.id = a.subject_id join task t on t.id = a.task_id join daemon d on d.id = a.daemon_id
      where t.name = ? and s.name like ? order by s.name, a.attempt`,
    [task, name],
  );
const times = <T>(n: number, one: T): T[] => Array.from({ length: n }, () => one);
const DEADLINE = { timeout: 25_000, interval: 50 };

describe('a worker', () => {
  test('is refused where no daemon has prepared the database, and leaves it as it is', async () => {
    const empty = await createDatabase();
    const home = await openHome(readConfig({}, { ...env, DATABASE_URL: urlOf(empty.address) }), createLog('silent'), 2, { mustExist: true });
    try {
      await expect(prepareWork(home)).rejects.toMatchObject({ code: 'REFUSED', message: expect.stringContaining('No daemon has ever prepared this database') });
    } finally {
      await home.close();
    }
    expect(await empty.em().execute(`select * from task`)).toEqual([]);
  });

  test('is refused where there is no database', async () => {
    const { code, stderr } = await runProgram(['worker', '--data', path.join(folder, 'nowhere')], { ...env, DATABASE_URL: '' });
    expect([code, stderr]).toEqual([1, expect.stringContaining('RefusedError: There is no database in')]);
    expect(await readdir(folder)).not.toContain('nowhere');
  });

  test('shares the work with others, takes over what a killed one ran though nobody can tell that it is dead, and drains when it is told to stop', async () => {
    await prepareDatabase();
    const args = ['worker', '--concurrency', '4'];
    const [one, two] = [start([...args, '--label', 'old', '--label', 'gpu']), start(args, { AFTERGLOW_GRACE_SECONDS: '1' })];
    const names = Array.from({ length: 8 }, (_, n) => `shared${n}`);
    // "Other" is for the first alone, and would take its places.
    await database.em().execute(`update task set active = false where name = 'Other'`);
    await add(...names);
    await vi.waitFor(async () => {
      const running = Object.groupBy(await attempts('Match', 'shared%'), ({ pid }) => String(pid));
      expect([running[one.child.pid!]?.length, running[two.child.pid!]?.length]).toEqual([4, 4]);
    }, DEADLINE);

    const alike = { role: 'worker', state: 'alive', host: os.hostname(), running: 4, concurrency: 4, rssBytes: expect.any(Number), cpuLoad: expect.any(Number) };
    // What runs is told with the next beat.
    await vi.waitFor(async () => {
      const { daemons, unserved } = JSON.parse((await runProgram(['workers', '--json'], env)).stdout) as { daemons: object[]; unserved: object[] };
      expect(daemons).toHaveLength(2);
      expect(daemons).toContainEqual(expect.objectContaining({ ...alike, pid: one.child.pid, labels: ['old', 'gpu'] }));
      expect(daemons).toContainEqual(expect.objectContaining({ ...alike, pid: two.child.pid, labels: [] }));
      expect(unserved).toEqual([]);
    }, DEADLINE);

    await database.em().execute(`update daemon set machine = 'another' where pid = ?`, [one.child.pid!]);
    one.child.kill('SIGKILL');
    const killedAt = performance.now();
    await Promise.all(names.map(open));
    await vi.waitFor(async () => expect((await attempts('Match', 'shared%')).filter(({ outcome }) => outcome === 'finished')).toHaveLength(8), DEADLINE);
    // A lease of 2 s, a look every 5 s, and a slow machine.
    expect(performance.now() - killedAt).toBeLessThan(25_000);
    const all = await attempts('Match', 'shared%');
    expect(all.filter(({ pid }) => pid === one.child.pid).map(({ attempt, outcome }) => [attempt, outcome])).toEqual(times(4, [1, 'rescued']));
    expect(all.filter(({ attempt }) => attempt === 2).map(({ pid, outcome }) => [pid, outcome])).toEqual(times(4, [two.child.pid, 'finished']));

    await add('soon', 'never');
    await two.saw('began Match of soon');
    await two.saw('began Match of never');
    two.child.kill('SIGTERM');
    await two.saw('stopping');
    await add('late');
    await open('soon');
    const { code, stderr } = await two.ended;
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('began Match of late')]);
    expect(await attempts('Match', 'soon')).toMatchObject([{ outcome: 'finished' }]);
    expect(await attempts('Match', 'never')).toMatchObject([{ outcome: 'released' }]);
    expect(await database.em().execute(`select stopped_at is not null as stopped from daemon where pid = ?`, [two.child.pid!])).toEqual([{ stopped: true }]);
  }, 60_000);

  test('that is older than a daemon claims nothing of what is newer there, goes on with the rest, and finishes what it runs', async () => {
    await database.em().execute(`delete from subject; update task set active = true where name = 'Other'`);
    const old = start(['worker', '--label', 'old']);
    await add('slow');
    await old.saw('began Match of slow');
    const fresh = start(['start', '--no-web'], { MATCH_VERSION: '2' });
    await old.saw('The runner of \\"Match\\" is version 1 here, but version 2 has been at work');
    await add('quick1', 'quick2');
    // "Match" waits for "Other" now, which only the old one may do.
    await vi.waitFor(async () => expect((await attempts('Match', 'quick%')).map(({ outcome }) => outcome)).toEqual(['finished', 'finished']), DEADLINE);
    expect(await attempts('Other', 'quick%')).toMatchObject(times(2, { outcome: 'finished', pid: old.child.pid }));
    expect(await attempts('Match', 'quick%')).toMatchObject(times(2, { outcome: 'finished', pid: fresh.child.pid, runner_version: 2 }));
    expect((await attempts('Match', 'slow'))).toMatchObject([{ outcome: 'running', pid: old.child.pid }]);
    await open('slow');
    await vi.waitFor(async () => expect(await attempts('Match', 'slow')).toMatchObject([{ attempt: 1, outcome: 'finished', runner_version: 1, pid: old.child.pid }]), DEADLINE);
    for (const { child } of [old, fresh]) child.kill('SIGTERM');
    const [{ code, stderr }, { code: freshCode }] = await Promise.all([old.ended, fresh.ended]);
    expect([code, freshCode, stderr.split('has been at work').length - 1]).toEqual([0, 0, 1]);
  }, 60_000);
});
