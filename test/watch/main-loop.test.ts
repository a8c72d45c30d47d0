import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { createWorld } from '../engine/create-world.ts';
import type { LogLine } from '../engine/world.ts';
import { createDatabase, urlOf } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const LEASE_SECONDS = 2;

/** A daemon in a process of its own, whose runner of "Match" holds its main loop up for so long. */
async function given({ blockSeconds, limit }: { blockSeconds: number; limit?: number }) {
  const world = await createWorld(database, { tasks: { Match: { limit }, Wait: {} } });
  const child = spawn(process.execPath, [fileURLToPath(new URL('./blocking-process.ts', import.meta.url))], {
    env: { ...process.env, DATABASE_URL: urlOf(database.address), LEASE_SECONDS: String(LEASE_SECONDS), BLOCK_SECONDS: String(blockSeconds), STANDSTILL_SECONDS: '0.8' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const heard: string[] = [];
  const log: LogLine[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => heard.push(line));
  createInterface({ input: child.stderr }).on('line', (line) => void (line.startsWith('{') ? log.push(JSON.parse(line) as LogLine) : process.stderr.write(`${line}\n`)));
  const said = (text: string) =>
    vi.waitFor(() => {
      const line = heard.find((one) => one.startsWith(text));
      if (line === undefined) throw new Error(`It said only: ${heard.join(' | ')} ${JSON.stringify(log)}`);
      return line;
    }, { timeout: 20_000, interval: 10 });
  const tell = (word: string) => void child.stdin.write(`${word}\n`);
  const id = Number((await said('daemon')).split(' ')[1]);
  return {
    world, child, log, said, tell, id,
    rescueExpired: () => rescue(database.hot, 'daemon 9', [], LEASE_SECONDS),
    /** Resolves when the daemon has such a trouble. */
    async troubled(by: RegExp) {
      await vi.waitFor(() => {
        tell('troubles');
        expect(heard.findLast((line) => line.startsWith('troubles'))).toMatch(by);
      }, 10_000);
    },
  };
}

describe('a runner that computes without a break', () => {
  it('costs nobody a lease, and is named with its place in the code, again and again while it lasts', async () => {
    const { world, log, said, tell, id, rescueExpired, troubled, child } = await given({ blockSeconds: 3 });
    await world.add('a');
    await said('wait a');
    // "Wait" of it is claimed at the same time, and the answer lies unread as long as the main loop stands still.
    await world.add('busy');
    await said('match busy');
    const end = performance.now() + 2800;
    let beats = 0;
    let troubles: string[] = [];
    while (performance.now() < end) {
      expect(await rescueExpired()).toEqual([]);
      const [row] = await database.em().execute<{ fresh: boolean; troubles: string[] }[]>(`select heartbeat_at > clock_timestamp() - interval '1 s' as fresh, troubles from daemon where id = ?`, [id]);
      if (row!.fresh) beats += 1;
      if (row!.troubles.length > 0) ({ troubles } = row!);
    }
    expect(beats).toBeGreaterThan(5);
    // Whoever cannot ask it can read it.
    expect(troubles).toEqual([expect.stringMatching(/^the main loop has not turned for \d+ s: (in native code, then )?"Match" of busy in computeForLong /)]);
    expect(log.length).toBeGreaterThan(1);
    for (const line of log) expect(line).toMatchObject({ level: 50, task: 'Match', subject: 'busy', attempt: 1, place: 'computeForLong (test/watch/blocking-process.ts:27)' });
    expect(log[0]!.msg).toMatch(/^the main loop has not turned for 1 s: "Match" of busy in computeForLong \(test\/watch\/blocking-process\.ts:27\)$/);
    await troubled(/the main loop did not turn for \d+ s, until \d+ s ago: \\"Match\\" of busy in computeForLong /);
    tell('go');
    await vi.waitFor(async () => expect([await world.statuses('Match'), await world.statuses('Wait')]).toEqual([{ a: 'processed', busy: 'processed' }, { a: 'processed', busy: 'processed' }]));
    const attempts = await database.em().execute<object[]>(`select task_id, attempt, outcome from attempt`);
    expect(attempts).toHaveLength(4);
    for (const attempt of attempts) expect(attempt).toMatchObject({ attempt: 1, outcome: 'finished' });
    tell('stop');
    expect((await once(child, 'exit'))[0]).toBe(0);
  });

  it('far over its time limit loses its own lease alone, so that another daemon takes over, and writes nothing then', async () => {
    const { world, log, said, id, rescueExpired, child, tell } = await given({ blockSeconds: 5.5, limit: 0.3 });
    await world.add('busy');
    await said('match busy');
    const rescued = await vi.waitFor(async () => {
      const some = await rescueExpired();
      expect(some).not.toEqual([]);
      return some;
    }, 10_000);
    expect(rescued).toMatchObject([{ task: 'Match', subject: 'busy', attempt: 1 }]);
    const other = world.engine({ daemonId: 9, tasks: [world.task('Match')] });
    await other.work();
    expect(await world.attempts('busy', 'Match')).toMatchObject([{ outcome: 'rescued', daemon_id: id }, { outcome: 'finished', daemon_id: 9 }]);
    await vi.waitFor(() => expect(log.map(({ msg }) => msg)).toContainEqual(expect.stringMatching(/^"Match" of busy is far over its time limit of 0\.3 s and cannot be ended/)), 10_000);
    tell('go');
    await vi.waitFor(async () => expect(await world.attempts('busy', 'Wait')).toMatchObject([{ attempt: 1, outcome: 'finished' }]), 10_000);
    expect(await world.attempts('busy', 'Match')).toHaveLength(2);
    expect((await world.entry('busy', 'Match')).status).toBe('processed');
    tell('stop');
    expect((await once(child, 'exit'))[0]).toBe(0);
  });
});

describe('a runner that waits in native code', () => {
  it('is suspected with all that runs, and named when it is over', async () => {
    const { world, log, said, troubled, tell } = await given({ blockSeconds: 2.2 });
    await world.add('native');
    await said('match native');
    await vi.waitFor(() => expect(log).toContainEqual(expect.objectContaining({ level: 50, msg: expect.stringMatching(/it is in native code and cannot be asked\. In hand: .*"Match" of native/) })), 10_000);
    await troubled(/the main loop did not turn for \d+ s, until \d+ s ago: in native code.*; in hand were .*Match.* of native/);
    tell('go');
  });
});
