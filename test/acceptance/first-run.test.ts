import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exportQuery } from '../../runners/index.ts';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { exportText } from '../../src/db/export-rows.ts';
import { launchPostgres } from '../../src/db/postgres/launch.ts';
import { runProgram, startProgram, type Ended } from '../program.ts';

/** How often the first run is killed, at moments spread over its length. */
const KILLS = 10;
const TASKS = ['Transient information', 'Host match', 'Host information', 'Local aperture', 'Distance', 'Host report'];

const start = (dataFolder: string) => ['start', '--until-idle', '--no-web', '--data', dataFolder];

describe('the example', () => {
  let folder: string;
  let data: string;
  let first: Ended;
  /** When the first run began, in milliseconds since 1970, and how long it took. */
  let startedAt: number;
  let firstRunMs: number;
  /** How long a start takes that finds everything done; a guess until that was measured. */
  let restartMs = 1500;
  let reference: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-first-'));
    data = path.join(folder, 'data');
    // An empty database that is copied for every run below, so that only the first pays for making one.
    await (await launchPostgres({ dataDir: data })).release();
    await cp(data, path.join(folder, 'empty'), { recursive: true });
    startedAt = Date.now();
    first = await runProgram(start(data));
    firstRunMs = Date.now() - startedAt;
    reference = (await runProgram(['export', '--data', data])).stdout;
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('is walked to its end by one command, which then ends by itself', () => {
    expect(first.stderr).not.toMatch(/"level":[56]0/);
    expect(first.code).toBe(0);
    expect(first.stdout).toContain('273 transients: 0 waiting, 0 processing, 143 completed, 130 blocked');
  });

  test('leaves every one of 273 × 6 entries final or blocked', async () => {
    const { stdout, code } = await runProgram(['status', '--json', '--data', data]);
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as { transients: number; tasks: { name: string; kind: string; counts: Record<string, number>; ready: number }[] };
    expect(report.transients).toBe(273);
    const tasks = report.tasks.filter(({ kind }) => kind === 'transient');
    expect(tasks.map(({ name }) => name)).toEqual(TASKS);
    for (const { counts, ready } of tasks) {
      expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(273);
      expect(counts.processing).toBeUndefined();
      expect(ready).toBe(0);
    }
  });

  test('is not touched again by a second run, which says so', async () => {
    const before = performance.now();
    const again = await runProgram(start(data));
    restartMs = performance.now() - before;
    expect(again).toMatchObject({ code: 0 });
    expect(again.stdout).toContain('There was nothing to do.');
    expect((await runProgram(['export', '--data', data])).stdout).toBe(reference);
  });

  test('is exported with one row per transient, as CSV and as JSON', async () => {
    const rows = parse(reference, { columns: true }) as Record<string, string>[];
    expect(rows).toHaveLength(273);
    expect(Object.keys(rows[0]!)).toEqual([
      'name', 'host_name', 'host_ra_deg', 'host_dec_deg', 'separation_arcsec', 'offset_kpc', 'dlr', 'local_radius_arcsec', 'mu_mag', 'mu_err_mag',
      'hubble_residual_mag', 'transient_information_status', 'host_match_status', 'host_information_status', 'local_aperture_status', 'distance_status', 'host_report_status',
    ]);
    const json = JSON.parse((await runProgram(['export', '--format', 'json', '--data', data])).stdout) as Record<string, unknown>[];
    expect(json).toHaveLength(273);
    for (const [at, row] of json.entries()) {
      expect(Object.fromEntries(Object.entries(row).map(([key, value]) => [key, value === null ? '' : String(value)]))).toEqual(rows[at]);
    }
  });

  test('finds hosts that are known, and distances that follow the expansion of the universe', () => {
    const rows = parse(reference, { columns: true }) as Record<string, string>[];
    const hostOf = (name: string) => rows.find((row) => row.name === name)?.host_name;
    // Hosts as the IAU Central Bureau for Astronomical Telegrams lists them.
    expect({ '2002de': hostOf('2002de'), '1999dq': hostOf('1999dq') }).toEqual({ '2002de': 'NGC 6104', '1999dq': 'NGC 976' });
    const residuals = rows.map((row) => Number(row.hubble_residual_mag));
    const mean = residuals.reduce((sum, residual) => sum + residual, 0) / residuals.length;
    // Jones et al. 2018 give an intrinsic scatter of about 0.1 mag, to which the fits' errors and the galaxies' own motions add.
    const scatter = Math.sqrt(residuals.reduce((sum, residual) => sum + (residual - mean) ** 2, 0) / residuals.length);
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(scatter).toBeLessThan(0.2);
  });

  test('is drawn as a Hubble diagram and a sky map', async () => {
    for (const [file, marks] of [['hubble-diagram.svg', 273], ['sky-map.svg', 273]] as const) {
      const svg = await readFile(path.join(data, 'products', file), 'utf8');
      expect(svg).toMatch(/^<svg /);
      expect(svg.match(/<title/g)!.length).toBeGreaterThanOrEqual(marks);
    }
  });

  // One walk for all kills, since finishing each alone would make the same attempts ten times; what a kill broke stays to be seen at the end.
  test(`comes out the same, byte for byte, when the daemon is killed at ${KILLS} moments of its first run`, async () => {
    const workMs = await untilFirstAttempt(data, startedAt);
    let interrupted = 0;
    let rescued = 0;
    let walks = 0;
    let walk = '';
    let reached = 0;
    const begin = async (): Promise<void> => {
      walk = path.join(folder, `killed-${(walks += 1)}`);
      reached = 0;
      await cp(path.join(folder, 'empty'), walk, { recursive: true });
    };
    const lives: string[] = [];
    const expectReference = async (ended: Ended): Promise<void> => {
      expect(ended, lives.join()).toMatchObject({ code: 0 });
      const left = await whatIsLeft(walk);
      expect(left.mistakes, lives.join()).toEqual([]);
      expect(left.exported, lives.join()).toBe(reference);
      rescued += left.rescued;
    };
    const killAfter = async (lifeMs: number): Promise<Ended> => {
      const program = startProgram(start(walk));
      const timer = setTimeout(() => program.child.kill('SIGKILL'), lifeMs);
      return program.ended.finally(() => clearTimeout(timer));
    };
    await begin();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const moment = ((kill + Math.random()) / KILLS) * firstRunMs;
      // Until there are attempts nothing is kept that saves the next start its work; after that it goes on where the last was.
      const lifeMs = reached < workMs ? moment : restartMs + moment - reached;
      lives.push(`killed ${moment.toFixed(0)} ms into walk ${walks}, after ${lifeMs.toFixed(0)} ms`);
      const ended = await killAfter(lifeMs);
      if (ended.signal === 'SIGKILL') {
        interrupted += 1;
        reached = moment;
        // Mostly the next start comes at once, while the server of the last may still be stopping.
        if (kill % 3 === 2 && moment > workMs) expect((await whatIsLeft(walk)).mistakes, lives.join()).toEqual([]);
      } else {
        await expectReference(ended);
        await begin();
      }
    }
    await expectReference(await runProgram(start(walk)));
    // On a machine whose speed changes all of them may have come before the attempts or after them.
    for (let more = 1; rescued === 0 && more <= 5; more += 1) {
      await begin();
      await killAfter(workMs + (more / 6) * (firstRunMs - workMs));
      await expectReference(await runProgram(start(walk)));
    }
    expect(rescued, lives.join()).toBeGreaterThan(0);
    expect(interrupted, lives.join()).toBeGreaterThanOrEqual(KILLS / 2);
  }, 600_000);
});

/** Milliseconds from the start of a run to its first attempt: until then it makes the tables, and loads fixtures and the catalogue of galaxies. */
async function untilFirstAttempt(dataFolder: string, startedAt: number): Promise<number> {
  const { at } = await inside(dataFolder, async (database) => (await database.em().execute<[{ at: string }]>(`select extract(epoch from min(started_at)) * 1000 as at from attempt`))[0]);
  return Number(at) - startedAt;
}

/** The export, how many attempts were rescued, and whatever shows that an attempt was recorded twice or not at all, or that the log of transitions does not lead to the register. */
const whatIsLeft = (dataFolder: string): Promise<{ exported: string; mistakes: object[]; rescued: number }> =>
  inside(dataFolder, async (database) => ({
    exported: await exportText(database.em(), exportQuery, TASKS, 'csv'),
    mistakes: await database.em().execute<object[]>(MISTAKES),
    rescued: (await database.em().execute<object[]>(`select from attempt where outcome = 'rescued'`)).length,
  }));

async function inside<T>(dataFolder: string, look: (database: Database) => Promise<T>): Promise<T> {
  const { host, port, user, database: name, release } = await launchPostgres({ dataDir: dataFolder });
  const database = await openDatabase({ host, port, user, database: name });
  try {
    return await look(database);
  } finally {
    await database.close();
    await release();
  }
}

/** Of entries that are processing (2), one attempt is open: their daemon was killed, and no other has come yet. */
const MISTAKES = `
  select s.name, t.name as task, r.attempt, a.attempts, a.finished, a.open, l.claims, l.last_to, r.status_id
    from task_register r
    join subject s on s.id = r.subject_id
    join task t on t.id = r.task_id
   cross join lateral (
     select count(*) as attempts, count(*) filter (where outcome = 'finished') as finished, count(*) filter (where ended_at is null) as open
       from attempt a where a.subject_id = r.subject_id and a.task_id = r.task_id) a
   cross join lateral (
     select count(*) filter (where cause = 'claim') as claims, (array_agg(to_id order by id desc))[1] as last_to
       from transition l where l.subject_id = r.subject_id and l.task_id = r.task_id) l
   where a.attempts <> r.attempt or a.open <> (r.status_id = 2)::integer or l.claims <> r.attempt or coalesce(l.last_to, 1) <> r.status_id
      or a.finished <> (r.status_id not in (1, 2))::integer`;
