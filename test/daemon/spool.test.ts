import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { openSpool } from '../../src/spool/spool.ts';
import { createWorld } from '../engine/create-world.ts';
import { listeningLog } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';
import { deadProcess, keptEnding } from '../spool/kept-endings.ts';
import { startDaemon } from './start-daemon.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

describe('a daemon whose data folder holds what a killed one left', () => {
  it('delivers it before it takes anything back or claims, so that nothing of it is run again', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const left = await leave(await world.add('a'), world);
    const { lines } = await startDaemon(world, { folders: left.folders });
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ a: 'processed' }));
    expect(await world.attempts('a', 'Match')).toMatchObject([{ attempt: 1, outcome: 'finished', result: { dear: 1 } }]);
    expect([world.runner('Match').runs, left.files()]).toEqual([[], []]);
    expect(await world.transitions('a', 'Match')).toEqual(['claim: not processed > processing', 'finish: processing > processed']);
    expect(lines.map(({ msg }) => msg)).toContain('a result of 2026-11-21T12:00:00.000Z was delivered from the spool');
  });

  it('delivers it while it runs as well, of one that dies meanwhile', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const folder = newFolder();
    await startDaemon(world, { folders: { data: folder, products: folder } });
    // So that the living one claims nothing.
    await database.em().execute(`update task set active = false`);
    const left = await leave(await world.add('a'), world, folder, 60);
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ a: 'processed' }));
    expect([(await world.attempts('a', 'Match')).length, left.files()]).toEqual([1, []]);
  });

  function newFolder(): string {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'afterglow-daemon-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    return folder;
  }

  /** A dead daemon's claims, and what came of them in its spool. */
  async function leave(ids: readonly string[], world: Awaited<ReturnType<typeof createWorld<'Match'>>>, folder = newFolder(), leaseSeconds = 0) {
    const dead = deadProcess();
    const [daemon] = await database.em().execute<{ id: number }[]>(
      `insert into daemon (host, machine, pid, process_start, version, concurrency) values (?, 'another', ?, ?, '0', 1) returning id`, [dead.host, dead.pid, dead.processStart],
    );
    await world.put('a', 'Match', 'processing', { owner: daemon!.id, seconds: leaseSeconds });
    const spool = openSpool({ folder: path.join(folder, 'spool'), me: dead, clock: systemClock, log: listeningLog().log });
    for (const id of ids) (await spool.keep(keptEnding({ subjectId: id, daemon: { ...dead, id: daemon!.id } }))).leave();
    return { folders: { data: folder, products: folder }, files: () => readdirSync(path.join(folder, 'spool')) };
  }
});
