import { beforeAll, describe, expect, it } from 'vitest';
import { detachedContext } from '../../src/runner/context.ts';
import { WarnOfDeadlines } from '../../src/runner/request-deadlines.ts';
import type { Database } from '../../src/db/database.ts';
import { approve, close } from '../../src/requests/approve.ts';
import { readRequest } from '../../src/requests/report.ts';
import { takeIn } from '../../src/requests/take-in.ts';
import { createDatabase } from '../harness.ts';
import { anInput, clockAt, forgetAfterwards, givenRequests } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

describe('a deadline', () => {
  it('that comes near is warned of once at each step, as long as the request is open', async () => {
    forgetAfterwards(database);
    const clock = clockAt('2026-11-01T00:00:00Z');
    const { desk, work } = await givenRequests(database, { Accounts: {} }, clock);
    const due = (email: string) => anInput({ email, request_date: '2026-10-01', request_due_date: '2026-11-20' });
    const [open, done, closed] = await takeIn(desk, [due('a@example.org'), due('b@example.org'), due('c@example.org'), anInput({ email: 'd@example.org', request_date: '2026-10-01', request_due_date: '2027-01-01' })], 'api');
    await approve(desk, { request: done!.name, by: 'person ada' });
    await work();
    await close(desk, { request: closed!.name, by: 'person ada', reason: 'withdrawn' });

    const warnings: string[] = [];
    const log = { info: () => {}, warn: (message: string) => void warnings.push(message) };
    const at = async (now: string) => {
      clock.set(now);
      warnings.length = 0;
      const result = await new WarnOfDeadlines().runProcess(detachedContext({ em: database.em(), log, clock }));
      return { ...result, warnings: [...warnings] };
    };
    expect(await at('2026-11-10T00:00:00Z')).toEqual({ near: 0, warned: 0, warnings: [] });
    expect(await at('2026-11-14T00:00:00Z')).toEqual({ near: 1, warned: 1, warnings: [`${open!.name}, which waits for approval: The deadline is on 2026-11-20, in less than 7 days.`] });
    expect(await at('2026-11-14T01:00:00Z')).toEqual({ near: 1, warned: 0, warnings: [] });
    expect((await at('2026-11-17T12:00:00Z')).warnings).toEqual([`${open!.name}, which waits for approval: The deadline is on 2026-11-20, in less than 3 days.`]);
    await approve(desk, { request: open!.name, by: 'person ada' });
    expect((await at('2026-11-19T06:00:00Z')).warnings).toEqual([`${open!.name}: The deadline is on 2026-11-20, in less than a day.`]);
    expect((await at('2026-11-20T00:00:00Z')).warnings).toEqual([`${open!.name}: The deadline of 2026-11-20 is over.`]);
    expect((await at('2026-12-20T00:00:00Z')).warnings).toEqual([]);
    expect((await readRequest(database.hot.run, open!.name)).events.filter(({ kind }) => kind === 'deadline')).toHaveLength(4);
    await work();
    expect((await at('2026-12-20T00:00:00Z')).near).toBe(0);
  });
});
