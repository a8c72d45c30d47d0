import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { auditRegister } from '../../src/db/audit.ts';
import { resetEntries } from '../../src/engine/reset.ts';
import { archiveObjects } from '../../src/objects/archive.ts';
import { editValues } from '../../src/objects/edit-values.ts';
import { findObjects } from '../../src/objects/found-object.ts';
import { giveResult } from '../../src/objects/give-result.ts';
import { restoreArchive } from '../../src/objects/restore.ts';
import { createDatabase } from '../harness.ts';
import { givenObjects } from './given-objects.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const NAMES = Array.from({ length: 12 }, (_, n) => `sn${n}`);

it('Bd2: whatever people edit, reset and give while two engines work, every result is in the end that of the last values', async () => {
  const world = await givenObjects(database);
  await world.add(...NAMES);
  for (const task of ['Host', 'Aperture', 'Distance', 'Report'] as const) {
    world.runner(task).does(async ({ redshift }, { result }) => ({ status: 'processed', result: { redshift, host: task === 'Report' ? await result('Host') : null } }));
  }
  const engines = [world.engine(), world.engine({ daemonId: 2 })];
  let over = false;
  const work = Promise.all(engines.map(async ({ engine, quiet }) => {
    while (!over) {
      await engine.wake();
      await quiet();
    }
  }));
  const em = database.em();
  const objects = await findObjects(em, NAMES);
  const act = async (object: (typeof objects)[number], at: number, round: number): Promise<unknown> => {
    if ((round + at) % 5 === 0) return resetEntries(database.em(), { subjects: [object.name], tasks: ['Host'] }, 'person emil');
    if (at === 3) return giveResult(database.em(), object, { task: 'Match', result: round }, { by: 'person ada' });
    return editValues(database.em(), object, new Map([['redshift', round / 100 + at / 1000]]), { by: 'person ada' });
  };
  for (const round of [1, 2, 3, 4, 5, 6]) await Promise.all(objects.map((object, at) => act(object, at, round)));
  over = true;
  await work;
  await world.engine({ daemonId: 3 }).work();
  const rows = await em.execute<{ name: string; task: string; status: string; redshift: number | null; result: { redshift: number | null; host: { redshift: number | null } | null } }[]>(
    `select s.name, t.name as task, x.message as status, tr.redshift, a.result
       from task_register r join subject s on s.id = r.subject_id join transient tr on tr.subject_id = s.id join task t on t.id = r.task_id join status x on x.id = r.status_id
       join attempt a on a.subject_id = r.subject_id and a.task_id = r.task_id and a.attempt = r.attempt
      where t.name in ('Host', 'Aperture', 'Distance', 'Report') order by 1, 2`);
  expect(rows).toHaveLength(NAMES.length * 4);
  expect(rows.filter(({ status, redshift, result }) => status !== 'processed' || (result.redshift ?? null) !== redshift)).toEqual([]);
  expect(rows.filter(({ task, redshift, result }) => task === 'Report' && (result.host?.redshift ?? null) !== redshift)).toEqual([]);
  expect((await auditRegister(em, async () => {})).findings).toEqual([]);
});

it('an archive that is made while the object is at work is whole, and what it restores to breaks no rule', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-load-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const world = await givenObjects(database);
  await world.add(...NAMES);
  const { engine, quiet } = world.engine();
  const objects = await findObjects(database.em(), NAMES);
  let over = false;
  const work = (async () => {
    while (!over) {
      await engine.wake();
      await quiet();
    }
  })();
  const files: string[] = [];
  for (let round = 0; round < 4; round += 1) {
    files.push(path.join(folder, `${round}.tar.gz`));
    await archiveObjects(database.em(), objects, folder, files.at(-1)!);
    await resetEntries(database.em(), { tasks: ['Information'], subjects: NAMES.slice(0, 6) }, 'person ada', { withDependents: true });
  }
  over = true;
  await work;
  for (const file of files) {
    await restoreArchive(database.em(), file, { by: 'person ada', productsFolder: folder, known: 'replace' });
    expect((await auditRegister(database.em(), async () => {})).findings).toEqual([]);
  }
  await world.engine({ daemonId: 2 }).work();
  expect(new Set(Object.values(await world.statuses('Report')))).toEqual(new Set(['processed']));
});
