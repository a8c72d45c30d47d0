import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { thisProcess, type ProcessIdentity } from '../../src/daemon/process-identity.ts';
import { nameOf } from '../../src/spool/file-name.ts';
import { textOf } from '../../src/spool/kept-ending.ts';
import { MOST_SET_ASIDE } from '../../src/spool/set-aside.ts';
import { openSpool, type Orphan } from '../../src/spool/spool.ts';
import { listeningLog } from '../engine/world.ts';
import { tinyDisk } from '../tiny-disk.ts';
import { deadProcess, keptEnding } from './kept-endings.ts';

function given(me: ProcessIdentity = thisProcess(), folder = newFolder()) {
  const { log, lines } = listeningLog();
  const spool = openSpool({ folder, me, clock: systemClock, log });
  return { spool, lines, folder, files: () => filesIn(folder) };
}

function newFolder(): string {
  const parent = mkdtempSync(path.join(os.tmpdir(), 'afterglow-spool-'));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  return path.join(parent, 'spool');
}

/** Paths below a folder, without the folders themselves. */
const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name))).toSorted();

async function taken(spool: { orphans(): AsyncGenerator<Orphan> }): Promise<Orphan[]> {
  const found: Orphan[] = [];
  for await (const orphan of spool.orphans()) found.push(orphan);
  return found;
}

function start(folder: string, act: 'keep' | 'take') {
  const child = spawn(process.execPath, [fileURLToPath(new URL('spool-process.ts', import.meta.url)), folder, act], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  const first = new Promise<void>((resolve) => createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    resolve();
  }));
  return { child, lines, first };
}

const gone = async (child: ChildProcess) => void (child.exitCode ?? child.signalCode ?? (await once(child, 'close')));

describe('a result that is kept', () => {
  it('is a file of its own, which nobody takes while its process cares for it, and which is gone when it is removed', async () => {
    const { spool, files } = given();
    const file = await spool.keep(keptEnding());
    await spool.keep(keptEnding());
    expect(files()).toHaveLength(2);
    expect(await taken(spool)).toEqual([]);
    await file.remove();
    await file.remove();
    expect(files()).toHaveLength(1);
  });

  it('is taken again as it was, by the same process too, once that has left it', async () => {
    const { spool } = given();
    const ending = keptEnding({ cause: 'fail', outcome: 'failed', failure: 'science', error: { message: 'no star' }, log: [{ at: 'x' }], dueInSeconds: 60, warning: 'w', cost: 2, result: null });
    (await spool.keep(ending)).leave();
    expect(await taken(spool)).toMatchObject([{ ending }]);
    expect(await taken(spool)).toEqual([]);
  });

  it('is safe from others while its process lives, and theirs when that was killed', async () => {
    const { spool, folder } = given();
    const { child, first } = start(folder, 'keep');
    await first;
    expect(await taken(spool)).toEqual([]);
    child.kill('SIGKILL');
    await gone(child);
    expect(await taken(spool)).toMatchObject([{ ending: { subject: 'its' } }]);
  });

  it('is taken where nothing can be known of its process: another container, another machine, or before a reboot', async () => {
    const { spool, folder } = given();
    await given({ ...thisProcess(), machine: 'another boot pid:[1]' }, folder).spool.keep(keptEnding()).then((file) => file.leave());
    expect(await taken(spool)).toHaveLength(1);
  });

  it('is taken by one of several that come at once', async () => {
    const { spool: dead, folder, files } = given(deadProcess());
    for (let n = 0; n < 60; n += 1) (await dead.keep(keptEnding({ subject: `sn${n}` }))).leave();
    const takers = [start(folder, 'take'), start(folder, 'take'), start(folder, 'take')];
    await Promise.all(takers.map(({ first }) => first));
    for (const { child } of takers) child.stdin!.write('go\n');
    await Promise.all(takers.map(({ child }) => gone(child)));
    const said = takers.flatMap(({ lines }) => lines.slice(1));
    expect(said.toSorted()).toEqual(Array.from({ length: 60 }, (_, n) => `sn${n}`).toSorted());
    expect(files()).toEqual([]);
  });
});

describe('a file that cannot be read', () => {
  const broken: Record<string, string> = {
    'is empty': '',
    'is cut off in the middle': textOf(keptEnding()).slice(0, 100),
    'is no object': '[1, 2]',
    'has what is no status': textOf(keptEnding({ status: undefined as unknown as string })),
    'has no version': '{}',
    'is no text': '\0\0\u0001\uFFFD',
  };
  it.each(Object.entries(broken))('because it %s is set aside, said once, and stops nobody', async (_why, text) => {
    const { spool, folder, lines, files } = given();
    mkdirSync(folder, { recursive: true });
    const name = (n: number) => nameOf(`20261121T12000000${n}Z-0000000${n}`, deadProcess());
    writeFileSync(path.join(folder, name(1)), text);
    writeFileSync(path.join(folder, name(2)), textOf(keptEnding({ subject: 'whole' })));
    expect(await taken(spool)).toMatchObject([{ ending: { subject: 'whole' } }]);
    expect(await taken(spool)).toEqual([]);
    expect(files()).toHaveLength(2);
    expect(files()[1]).toMatch(/^unreadable\//);
    expect(lines).toMatchObject([{ level: 50, file: path.join(folder, files()[1]!), msg: expect.stringContaining('cannot be read and was set aside') as string }]);
  });

  it('because a newer version made it is left for that one', async () => {
    const { spool, folder, lines, files } = given();
    mkdirSync(folder, { recursive: true });
    const name = nameOf('20261121T120000000Z-00000001', deadProcess());
    writeFileSync(path.join(folder, name), JSON.stringify({ ...keptEnding(), version: 2 }));
    expect([await taken(spool), await taken(spool), files()]).toEqual([[], [], [name]]);
    expect(lines).toHaveLength(1);
  });

  it('because its process was killed over it is left as long as it may still be written, then taken if it is whole', async () => {
    const { spool, folder, files } = given();
    mkdirSync(folder, { recursive: true });
    const name = (n: number) => `${nameOf(`20261121T12000000${n}Z-0000000${n}`, deadProcess())}.tmp`;
    writeFileSync(path.join(folder, name(1)), textOf(keptEnding()));
    writeFileSync(path.join(folder, name(2)), textOf(keptEnding()).slice(0, -20));
    expect([await taken(spool), files()]).toEqual([[], [name(1), name(2)]]);
    const longAgo = new Date(Date.now() - 120_000);
    for (const n of [1, 2]) utimesSync(path.join(folder, name(n)), longAgo, longAgo);
    expect(await taken(spool)).toHaveLength(1);
    expect(files().filter((file) => file.startsWith('unreadable/'))).toHaveLength(1);
  });

  it('and is none of ours is left alone', async () => {
    const { spool, folder, files, lines } = given();
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'notes.txt'), 'mine');
    expect([await taken(spool), files(), lines]).toEqual([[], ['notes.txt'], []]);
  });
});

describe('the folder', () => {
  it('need not be there', async () => {
    const { spool, lines } = given();
    expect([await taken(spool), lines]).toEqual([[], []]);
  });

  it('keeps the latest of those that were set aside', async () => {
    const { spool, folder, files } = given();
    mkdirSync(path.join(folder, 'late'), { recursive: true });
    for (let n = 0; n < MOST_SET_ASIDE; n += 1) writeFileSync(path.join(folder, 'late', nameOf(`20250101T00000${String(n).padStart(4, '0')}Z-00000000`, deadProcess())), '');
    const oldest = files()[0]!;
    const file = await spool.keep(keptEnding());
    expect(path.dirname((await file.setAside('late'))!)).toBe(path.join(folder, 'late'));
    expect(files()).toHaveLength(MOST_SET_ASIDE);
    expect(files()).not.toContain(oldest);
  });

  it('that cannot be made says so to whoever wants to keep something, and to nobody else', async () => {
    const { folder } = given();
    mkdirSync(path.dirname(folder), { recursive: true });
    writeFileSync(folder, 'a file');
    const { spool, lines } = given(thisProcess(), folder);
    await expect(spool.keep(keptEnding())).rejects.toThrow(/EEXIST|ENOTDIR/);
    expect(await taken(spool)).toEqual([]);
    expect(await taken(spool)).toEqual([]);
    expect(lines).toHaveLength(1);
  });

  it('on a disk that is full has nothing half-written in it, and goes on when there is room', async ({ skip }) => {
    const disk = tinyDisk(1);
    if (typeof disk === 'string') return skip(disk);
    onTestFinished(disk.remove);
    const { spool, files } = given(thisProcess(), path.join(disk.folder, 'spool'));
    await (await spool.keep(keptEnding())).remove();
    disk.fill();
    await expect(spool.keep(keptEnding())).rejects.toThrow('ENOSPC');
    expect(files()).toEqual([]);
    disk.free();
    await spool.keep(keptEnding());
    expect(files()).toHaveLength(1);
  });
});
