import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { resetEntries, retryEntries, type EntryFilter } from '../../src/engine/reset.ts';
import { createWorld } from '../engine/create-world.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** Objects of two kinds and a job, all of whose entries failed a moment ago. */
async function given() {
  const world = await createWorld(database, { tasks: { Match: {}, Fit: { kind: 'galaxy' }, Forget: { kind: 'request' }, Mail: { kind: 'job:Mail' } } });
  await world.add('2010a', '2010ag', '2010_g', 'x2010a', { name: 'IC 494', kind: 'galaxy', data: { size: { a: 1 } } }, { name: 'job-1', kind: 'job:Mail' }, { name: 'r1', kind: 'request' });
  for (const name of ['2010a', '2010ag', '2010_g', 'x2010a']) await world.put(name, 'Match', 'failed');
  await world.put('IC 494', 'Fit', 'failed');
  await world.put('job-1', 'Mail', 'failed');
  await world.put('r1', 'Forget', 'failed');
  return world;
}
const meant = async (filter: EntryFilter): Promise<string[]> => (await resetEntries(database.em(), filter, 'ada', { dryRun: true })).map(({ subject }) => subject);

describe('the entries that a filter means', () => {
  it.each<[string, EntryFilter, string[]]>([
    ['Bd7: the name itself, never a part of one', { subjects: ['2010a'] }, ['2010a']],
    ['a pattern, where * and ? stand for others', { nameLike: '2010a*' }, ['2010a', '2010ag']],
    ['a pattern with one character open', { nameLike: '2010?g' }, ['2010_g', '2010ag']],
    ['a pattern in which _ and % are themselves', { nameLike: '2010_g' }, ['2010_g']],
    ['a pattern in which % is itself', { nameLike: '%' }, []],
    ['a kind', { kinds: ['galaxy'] }, ['IC 494']],
    ['all objects, and neither jobs nor requests', { objectsOnly: true }, ['2010_g', '2010a', '2010ag', 'IC 494', 'x2010a']],
    ['a time that has been', { since: new Date(Date.now() - 3_600_000), kinds: ['galaxy'] }, ['IC 494']],
    ['a time that is to come', { since: new Date(Date.now() + 3_600_000) }, []],
    ['a figure that is missing', { whereMissing: 'redshift', nameLike: '2010?' }, ['2010a']],
    ['a figure that is there', { whereMissing: 'position', nameLike: '2010*' }, []],
    ['a part of the data that is missing', { whereMissing: 'data.size.b', kinds: ['galaxy'] }, ['IC 494']],
    ['a part of the data that is there', { whereMissing: 'data.size.a', kinds: ['galaxy'] }, []],
  ])('are those of %s', async (_, filter, names) => {
    await given();
    expect(await meant(filter)).toEqual(names);
  });

  it('are refused for a kind that there is not', async () => {
    await given();
    await expect(meant({ kinds: ['galaxi'] })).rejects.toThrow('did you mean "galaxy"?');
  });
});

describe('what has stalled', () => {
  it('Bd1: is retried when its lease is over and nobody took it back; what runs on a good lease is left alone', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('dead', 'alive');
    await world.put('dead', 'Match', 'processing', { seconds: -5 });
    await world.put('alive', 'Match', 'processing', { seconds: 3600 });
    expect(await retryEntries(database.em(), {}, 'person ada')).toEqual([{ subject: 'dead', task: 'Match', status: 'processing' }]);
    expect(await world.statuses('Match')).toEqual({ dead: 'not processed', alive: 'processing' });
    expect(await world.attempts('dead', 'Match')).toMatchObject([{ outcome: 'superseded', ended: true }]);
  });
});
