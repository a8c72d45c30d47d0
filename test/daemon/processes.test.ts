import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { createWorld } from '../engine/create-world.ts';
import { createDatabase, urlOf } from '../harness.ts';
import { startDaemon } from './start-daemon.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

interface Other {
  child: ChildProcess;
  /** Resolves when it has said a line that begins so. */
  said(text: string): Promise<string>;
  tell(word: string): void;
  ended: Promise<string>;
}

/** A daemon in a process of its own. */
function startOther(leaseSeconds: number): Other {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./daemon-process.ts', import.meta.url))], {
    env: { ...process.env, DATABASE_URL: urlOf(database.address), LEASE_SECONDS: String(leaseSeconds) },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  const ended = new Promise<string>((resolve) => child.on('exit', (code, signal) => resolve(signal ?? String(code))));
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return {
    child, ended,
    said: (text) =>
      vi.waitFor(() => {
        const line = lines.find((one) => one.startsWith(text));
        if (line === undefined) throw new Error(`It said only: ${lines.join(' | ')}`);
        return line;
      }, 20_000),
    tell: (word) => void child.stdin.write(`${word}\n`),
  };
}

const world = async () => {
  const made = await createWorld(database, { tasks: { Match: {} } });
  await made.add('a');
  return made;
};

describe('a daemon that is killed', () => {
  it('has its entries taken back at once by another, whatever their lease; a living one keeps its own', async () => {
    const made = await world();
    const living = startOther(86_400);
    const livingId = Number((await living.said('daemon')).split(' ')[1]);
    await living.said('running a 1');
    const killed = startOther(86_400);
    const killedId = Number((await killed.said('daemon')).split(' ')[1]);
    // More than the living one has places for.
    await made.add(...Array.from({ length: 12 }, (_, n) => `sn${n}`));
    await killed.said('running sn');
    killed.child.kill('SIGKILL');
    expect(await killed.ended).toBe('SIGKILL');
    await startDaemon(made);
    const attempts = () => database.em().execute<{ daemon_id: number; outcome: string; attempt: number }[]>(`select distinct daemon_id, outcome, attempt from attempt order by 1, 2, 3`);
    await vi.waitFor(async () => expect((await attempts()).filter(({ outcome }) => outcome === 'running').map(({ daemon_id: id }) => id)).toEqual([livingId]), 10_000);
    // Nobody took anything from the living one, and everything from the dead one.
    expect((await attempts()).filter(({ daemon_id: id }) => id === killedId)).toEqual([{ daemon_id: killedId, outcome: 'rescued', attempt: 1 }]);
    expect((await attempts()).filter(({ daemon_id: id, outcome }) => id === livingId && outcome !== 'running')).toEqual([]);
    const gone = await database.em().execute<{ id: number }[]>(`select id from daemon where stopped_at is not null`);
    expect(gone).toEqual([{ id: killedId }]);
    living.tell('go');
    await vi.waitFor(async () => expect(new Set(Object.values(await made.statuses('Match')))).toEqual(new Set(['processed'])), 10_000);
    living.tell('stop');
    expect(await living.ended).toBe('0');
  });
});

describe('a daemon that is frozen past its lease', () => {
  it('writes nothing when it goes on after another has taken over', async () => {
    const made = await world();
    const frozen = startOther(1);
    await frozen.said('running a 1');
    frozen.child.kill('SIGSTOP');
    // With a lease as short: nothing expired is taken back while the server is younger than that.
    const { daemon } = await startDaemon(made, { config: { leaseSeconds: 1 } });
    await vi.waitFor(async () => expect((await made.entry('a', 'Match')).status).toBe('processed'), 10_000);
    frozen.tell('go');
    frozen.child.kill('SIGCONT');
    frozen.tell('stop');
    expect(await frozen.ended).toBe('0');
    expect(await made.attempts('a', 'Match')).toMatchObject([{ attempt: 1, outcome: 'rescued' }, { attempt: 2, outcome: 'finished', daemon_id: daemon.id }]);
    expect([await made.notes(), (await made.entry('a', 'Match')).actor]).toEqual([[], daemon.actor]);
    expect(await made.transitions('a', 'Match')).toHaveLength(4);
  });
});

describe('a daemon that is alive', () => {
  it('keeps an attempt that is longer than its lease, though another looks for expired ones all the time', async () => {
    const made = await world();
    const other = startOther(2);
    await other.said('running a 1');
    await startDaemon(made);
    const claimed = (await made.entry('a', 'Match')).lease_seconds!;
    // Renewed for the third time, the lease is older than it was ever given for.
    let renewals = 0;
    let last = claimed;
    await vi.waitFor(async () => {
      const now = (await made.entry('a', 'Match')).lease_seconds!;
      renewals += now > last ? 1 : 0;
      last = now;
      expect(renewals).toBeGreaterThanOrEqual(4);
    }, 20_000);
    other.tell('go');
    await vi.waitFor(async () => expect((await made.entry('a', 'Match')).status).toBe('processed'));
    expect(await made.attempts('a', 'Match')).toMatchObject([{ attempt: 1, outcome: 'finished' }]);
    expect(await made.notes()).toEqual([`a by ${other.child.pid}`]);
    other.tell('stop');
    expect(await other.ended).toBe('0');
  });
});
