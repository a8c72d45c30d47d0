import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { PermanentError } from '../../src/errors.ts';
import { skip } from '../../src/runner/job.ts';
import type { JobFilter, JobState } from '../../src/runner/jobs.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from './job-world.ts';
import { obeys, ScriptedJob } from './scripted-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const STATES: readonly JobState[] = ['pending', 'running', 'completed', 'failed', 'cancelled', 'skipped'];

describe('a list of jobs', () => {
  it('has those that the filter means and no others, the newest first', async () => {
    const act = new ScriptedJob('Act', ({ text }, context) => {
      if (text === 'failed') throw new PermanentError('no');
      return text === 'skipped' ? skip('nothing new') : text === 'running' ? obeys({}, context) : undefined;
    });
    const other = new ScriptedJob('Other');
    const { jobs, work } = await createJobWorld(database, [act, other]);
    await work();
    const ids: Record<string, string> = {};
    for (const text of STATES) ids[text] = (await jobs.enqueue(act, { text }, text === 'pending' || text === 'cancelled' ? { delaySeconds: 3600 } : {})).id;
    await jobs.cancel(ids.cancelled!, 'enough');
    ids.other = (await jobs.enqueue(other, {}, { parent: ids.pending! })).id;
    await act.begins({ id: ids.running! });
    for (const text of ['completed', 'failed', 'skipped']) await jobs.wait(ids[text]!, { timeoutSeconds: 10 }).catch(() => {});

    const listed = async (filter?: JobFilter) => (await jobs.list(filter)).map(({ id }) => Object.keys(ids).find((name) => ids[name] === id));
    expect(await listed()).toEqual(['other', ...STATES.toReversed()]);
    expect(await listed({ limit: 2 })).toEqual(['other', 'skipped']);
    for (const state of STATES) expect(await listed({ names: ['Act'], states: [state] }), state).toEqual([state]);
    for (const [n, one] of STATES.entries()) {
      for (const two of STATES.slice(n + 1)) expect(await listed({ names: ['Act'], states: [one, two] }), `${one}, ${two}`).toEqual([two, one]);
    }
    expect(await listed({ states: STATES })).toEqual(['other', ...STATES.toReversed()]);
    expect(await listed({ states: [] })).toEqual([]);
    expect(await listed({ names: ['Other', 'Gone'] })).toEqual(['other']);
    expect(await listed({ parent: ids.pending! })).toEqual(['other']);
    expect((await jobs.list({ names: ['Other'] }))[0]).toMatchObject({ waitsFor: [{ id: ids.pending, name: 'Act', state: 'pending' }], parents: [ids.pending] });
    const { enqueuedAt } = await jobs.get(ids.running!);
    expect(await listed({ enqueuedBefore: enqueuedAt })).toEqual(['pending']);
    expect(await listed({ endedBefore: new Date(0) })).toEqual([]);
    expect(await listed({ endedBefore: new Date(Date.now() + 60_000) })).toEqual(['skipped', 'cancelled', 'failed', 'completed']);
  });
});
