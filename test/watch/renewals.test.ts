import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { Renewals, type RenewalDeps } from '../../src/watch/renewals.ts';
import { createWorld } from '../engine/create-world.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** The renewals of a daemon whose main loop does as the test says. With a first report after 5 s, a standstill is hopeless after a minute. */
async function given(deps: Partial<RenewalDeps>, ...subjects: string[]) {
  const world = await createWorld(database, { tasks: { Match: {} } });
  const ids = await world.add(...subjects);
  for (const subject of subjects) await world.put(subject, 'Match', 'processing', { owner: 1, seconds: 60 });
  const told: object[] = [];
  const renewals = new Renewals({
    setting: { daemonId: 1, leaseSeconds: 0.6, settleSeconds: 5, standstillSeconds: 5 }, run: database.hot.run, running: () => 0, troubles: () => [],
    silentMs: () => 0, isStill: () => (deps.silentMs?.() ?? 0) > 5000, culprit: () => undefined, tell: (heard) => void told.push(heard), onGivenUp: () => {}, ...deps,
  });
  onTestFinished(() => renewals.stop());
  const hold = (subject: string, timeLimitSeconds: number | null = null) => ({
    key: subject, subjectId: ids[subjects.indexOf(subject)]!, taskId: world.task('Match').id, attempt: 1, task: 'Match', subject, timeLimitSeconds,
  });
  /** Whose leases were renewed, which makes them shorter here. */
  const renewed = async () => {
    let last: string[] = [];
    await vi.waitFor(async () => {
      const now: string[] = [];
      for (const subject of subjects) if ((await world.entry(subject, 'Match')).lease_seconds! < 30) now.push(subject);
      const isSame = now.length > 0 && now.join() === last.join();
      last = now;
      expect(isSame).toBe(true);
    }, { timeout: 10_000, interval: 250 });
    return last;
  };
  return { world, renewals, hold, renewed, told };
}
const minutes = (count: number) => () => count * 60_000;
const culprit = () => ({ task: 'Match', subject: 'culprit', attempt: 1 });

describe('while the main loop stands still', () => {
  it('what is held is renewed, begun or not, and what was claimed and is not known yet', async () => {
    const { renewals, hold, renewed } = await given({ silentMs: minutes(0.5), culprit }, 'begun', 'waits', 'culprit', 'unread');
    renewals.take({ added: [hold('begun'), hold('waits'), hold('culprit')], begun: ['begun'] });
    renewals.start();
    expect(await renewed()).toEqual(['begun', 'waits', 'culprit', 'unread']);
  });

  it('without an end, what has not begun is let go, but not who holds it up', async () => {
    const { renewals, hold, renewed } = await given({ silentMs: minutes(1.1), culprit }, 'begun', 'waits', 'culprit', 'unread');
    renewals.take({ added: [hold('begun'), hold('waits'), hold('culprit')], begun: ['begun'] });
    renewals.start();
    expect(await renewed()).toEqual(['begun', 'culprit']);
  });

  it('without an end, and nobody knows who holds it up, all that is held is kept', async () => {
    const { renewals, hold, renewed } = await given({ silentMs: minutes(1.1) }, 'waits', 'unread');
    renewals.take({ added: [hold('waits')] });
    renewals.start();
    expect(await renewed()).toEqual(['waits']);
  });

  it('what is over its time limit, its time to settle and a lease is let go, and said once', async () => {
    const onGivenUp = vi.fn<() => void>();
    const { renewals, hold, renewed } = await given({ silentMs: minutes(0.5), onGivenUp }, 'over', 'within');
    renewals.take({ added: [hold('over', 20), hold('within', 25)] });
    renewals.start();
    expect(await renewed()).toEqual(['within']);
    expect(onGivenUp.mock.calls).toMatchObject([[{ subject: 'over' }]]);
  });

  it('its ticks are kept; without an end, only that of who holds it up', async () => {
    const lease = async () => Object.fromEntries((await database.em().execute<{ runner: string; left: number }[]>(`select runner, round(extract(epoch from lease_until - clock_timestamp()))::integer as left from schedule`)).map((row) => [row.runner, row.left]));
    let silentMs = 30_000;
    const { renewals } = await given({ setting: { daemonId: 1, leaseSeconds: 3, settleSeconds: 5, standstillSeconds: 5 }, silentMs: () => silentMs, culprit: () => ({ task: 'Draw' }) }, 'a');
    await database.em().execute(
      `insert into schedule (runner, pattern, time_zone, enabled, code_pattern, code_time_zone, code_enabled, owner, lease_until)
       select runner, '1', 'UTC', true, '1', 'UTC', true, owner, clock_timestamp() + seconds * interval '1 second'
         from (values ('Draw', 1, 1.5), ('Load', 1, 1.5), ('lost', 1, -1), ('long', 1, 60), ('other', 2, 1.5)) as v(runner, owner, seconds)`,
    );
    renewals.start();
    await vi.waitFor(async () => expect(await lease()).toMatchObject({ Draw: 3, Load: 3, lost: -1, long: 60 }), 10_000);
    silentMs = 70_000;
    await vi.waitFor(async () => expect((await lease()).Load).toBeLessThan(1), 10_000);
    expect((await lease()).Draw).toBeGreaterThanOrEqual(1);
    expect((await lease()).other).toBeLessThan(1);
  });
});
