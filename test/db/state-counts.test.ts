import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { readStateCounts, recordStates } from '../../src/db/state-counts.ts';
import { createWorld } from '../engine/create-world.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const plain = async () => (await readStateCounts(database.em())).map(({ at: _, ...row }) => row);
async function given() {
  await database.em().execute(`delete from state_count`);
  return createWorld(database, { tasks: { Match: {}, Host: { needs: { Match: 'processed' } }, Fit: { kind: 'galaxy' }, Mail: { kind: 'job:Mail' } } });
}

describe('the counts over time', () => {
  it('B22: are kept for each kind of object at every firing, jobs left out', async () => {
    const world = await given();
    await world.add('a', 'b', 'c', { name: 'IC 1', kind: 'galaxy' }, { name: 'j', kind: 'job:Mail' });
    await recordStates(database.em());
    await world.put('a', 'Match', 'processed');
    await world.put('a', 'Host', 'processed');
    await world.put('b', 'Match', 'processed');
    await world.put('c', 'Match', 'no host');
    await recordStates(database.em());
    expect(await plain()).toEqual([
      { kind: 'galaxy', total: 1, completed: 0, processing: 0, waiting: 1, blocked: 0 },
      { kind: 'galaxy', total: 1, completed: 0, processing: 0, waiting: 1, blocked: 0 },
      { kind: 'transient', total: 3, completed: 0, processing: 0, waiting: 3, blocked: 0 },
      { kind: 'transient', total: 3, completed: 1, processing: 1, waiting: 0, blocked: 1 },
    ]);
  });

  it('keep of a flat stretch its two ends', async () => {
    const world = await given();
    await world.add('a');
    for (let firing = 0; firing < 5; firing += 1) await recordStates(database.em());
    const [first, last, ...others] = await readStateCounts(database.em());
    expect(others).toEqual([]);
    expect(last!.at.getTime()).toBeGreaterThan(first!.at.getTime());
    await world.put('a', 'Match', 'no host');
    await recordStates(database.em());
    expect(await plain()).toHaveLength(3);
  });

  it('tell of a kind that has lost all objects, and nothing of one that never had any', async () => {
    const world = await given();
    await world.add('a');
    await recordStates(database.em());
    await database.em().execute(`delete from subject`);
    await recordStates(database.em());
    expect(await plain()).toMatchObject([{ kind: 'transient', total: 1 }, { kind: 'transient', total: 0 }]);
  });

  it('are thinned to so many moments, the last among them', async () => {
    await given();
    await database.em().execute(`insert into state_count select 'transient', timestamptz '2026-01-01' + n * interval '1 minute', n, n, 0, 0, 0 from generate_series(1, 5000) n`);
    const thin = await readStateCounts(database.em(), { points: 100 });
    expect(thin.length).toBeLessThanOrEqual(101);
    expect(thin.at(-1)!.total).toBe(5000);
    expect(thin.map(({ total }) => total)).toEqual(thin.map(({ total }) => total).toSorted((a, b) => a - b));
    expect(await readStateCounts(database.em(), { since: new Date('2026-01-04T11:00:00Z') })).toHaveLength(21);
  });
});
