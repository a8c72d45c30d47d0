import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { createDatabase } from '../harness.ts';
import { createWorld } from './create-world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** `HH:MM:SS` on the clock of a zone, so many hours from now. */
const clockIn = (hours: number, zone = 'UTC') =>
  new Intl.DateTimeFormat('en-GB', { timeZone: zone, timeStyle: 'medium' }).format(Date.now() + hours * 3_600_000);

async function window(from: string | null, to: string | null, zone = 'UTC'): Promise<void> {
  await database.em().execute(`update task set window_from = ?, window_to = ?, window_zone = ?`, [from, to, zone]);
}

describe('a task with a window', () => {
  it('is claimed while it is open, on the clock of its zone, and not before and after', async () => {
    const world = await createWorld(database, { tasks: { Observe: {} } });
    const { work } = world.engine();
    const claims = async (subject: string) => {
      await world.add(subject);
      await work();
      return (await world.entry(subject, 'Observe')).status === 'processed';
    };
    await window(clockIn(1), clockIn(2));
    expect(await claims('before')).toBe(false);
    await window(clockIn(-2), clockIn(-1));
    expect(await claims('after')).toBe(false);
    await window(clockIn(1, 'Asia/Tokyo'), clockIn(-1, 'Asia/Tokyo'), 'Asia/Tokyo');
    expect(await claims('nearly all day')).toBe(false);
    expect(world.runner('Observe').runs).toEqual([]);
    await window(clockIn(-1, 'Asia/Tokyo'), clockIn(1, 'Asia/Tokyo'), 'Asia/Tokyo');
    expect(await claims('now')).toBe(true);
    expect(new Set(world.runner('Observe').order)).toEqual(new Set(['before', 'after', 'nearly all day', 'now']));
  });

  it('is open exactly from its first second to its last, over midnight too', async () => {
    const clockTime = (seconds: number) => [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) => String(Math.trunc(part)).padStart(2, '0')).join(':');
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Pacific/Kiritimati', 'Asia/Kathmandu');
    const verdicts = { open: 0, closed: 0 };
    await fc.assert(
      fc.asyncProperty(fc.nat(86_399), fc.integer({ min: 0, max: 86_400 }), zones, async (opens, closes, zone) => {
        const [row] = await database.em().execute<{ is_open: boolean; now: number }[]>(
          `select in_window(?::time, ?::time, ?) as is_open, extract(epoch from (clock_timestamp() at time zone ?)::time)::float8 as now`,
          [clockTime(opens), clockTime(closes), zone, zone],
        );
        const { is_open: isOpen, now } = row!;
        if (Math.min(Math.abs(now - opens), Math.abs(now - closes)) < 1 || now < 1) return;
        verdicts[isOpen ? 'open' : 'closed'] += 1;
        expect(isOpen).toBe(opens <= closes ? opens <= now && now < closes : opens <= now || now < closes);
      }),
      { numRuns: 150 },
    );
    expect(Math.min(verdicts.open, verdicts.closed)).toBeGreaterThan(20);
  });
});
