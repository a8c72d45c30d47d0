import { describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { createHealth } from '../../src/web/health.ts';
import { createDatabase } from '../harness.ts';
import { givenWeb } from './given.ts';

const well = async () => ({ ok: true, reasons: [] });
const bodyOf = ({ body }: { body: unknown }) => JSON.parse(String(body)) as { status: string; reasons?: string[] };

describe('/healthz', () => {
  it('is 200 where database and daemon answer', async () => {
    const { get } = await givenWeb(await createDatabase());
    const reply = await get('/healthz');
    expect([reply.status, await reply.text()]).toEqual([200, '{"status":"ok"}']);
    expect(reply.headers.get('cache-control')).toBe('no-store');
  });

  it("is 503 with the daemon's reasons", async () => {
    const reply = await createHealth(await createDatabase(), async () => ({ ok: false, reasons: ['The heartbeat is 40 s old.'] }))();
    expect([reply.status, bodyOf(reply)]).toEqual([503, { status: 'unavailable', reasons: ['The heartbeat is 40 s old.'] }]);
  });

  it('is 503 where the database gives an error', async () => {
    const away = { em: () => ({ execute: async () => { throw new Error('connect ECONNREFUSED 127.0.0.1:1'); } }) } as unknown as Database;
    const reply = await createHealth(away, well)();
    expect([reply.status, bodyOf(reply).reasons]).toEqual([503, ['The database gave an error: connect ECONNREFUSED 127.0.0.1:1']]);
  });

  it('is 503 in time where nobody answers at all', async () => {
    const never = () => new Promise<never>(() => {});
    const hanging = { em: () => ({ execute: never }) } as unknown as Database;
    const reply = await createHealth(hanging, never, 0.05)();
    expect([reply.status, bodyOf(reply).reasons]).toEqual([503, ['The database did not answer within 0.05 s.', 'The daemon did not answer within 0.05 s.']]);
  });

  it('asks a database that hangs once, however often it is asked itself', async () => {
    let asked = 0;
    const hanging = { em: () => ({ execute: () => new Promise(() => void (asked += 1)) }) } as unknown as Database;
    const health = createHealth(hanging, well, 0.01);
    for (let time = 0; time < 5; time += 1) expect((await health()).status).toBe(503);
    expect(asked).toBe(1);
  });

  it('is 503 where all connections are taken, and does not wait for one', async () => {
    const database = await createDatabase();
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    let taken = 0;
    // As many as the pool of the harness holds.
    const holders = Array.from({ length: 11 }, () =>
      database.em().transactional(async (tx) => {
        await tx.execute(`select 1`);
        taken += 1;
        await released;
      }),
    );
    await expect.poll(() => taken).toBe(11);
    const reply = await createHealth(database, well, 0.2)();
    release();
    await Promise.all(holders);
    expect([reply.status, bodyOf(reply).reasons]).toEqual([503, ['The database did not answer within 0.2 s.']]);
  });
});
