import { beforeAll, describe, expect, it } from 'vitest';
import { getShortestPaths, getSimplePaths } from 'xstate/graph';
import type { Database } from '../../src/db/database.ts';
import { advance, type Ending } from '../../src/engine/advance.ts';
import { claimOne } from '../../src/engine/claim.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { resetEntries, retryEntries } from '../../src/engine/reset.ts';
import type { Cause, StatusEvent } from '../../src/status/machine.ts';
import { PROCESSING } from '../../src/status/status.ts';
import { createWorld } from '../engine/create-world.ts';
import type { World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

type Step = { cause: Cause; to: string };

/** Every event that the machine's moves speak of. Late writers are refused by the fence, which is tried elsewhere: here everybody holds the attempt. */
const eventsOf = (world: World): StatusEvent[] =>
  [...new Map(world.machine.moves.map(({ cause, to }) => [`${cause} ${to}`, { type: cause, status: to } as unknown as StatusEvent])).values()];

/** The machine's own paths; its context counts attempts, which makes no other state. */
function paths(world: World, of: typeof getShortestPaths | typeof getSimplePaths): Step[][] {
  const messages = new Map(Object.values(world.machine.machine.states).map((state) => [state.key, (state.meta as { message: string }).message]));
  return of(world.machine.machine, { events: eventsOf(world) as never, serializeState: (snapshot) => String((snapshot as { value: string }).value) as never })
    .map(({ steps }) => steps.map(({ event, state }) => ({ cause: event.type as Cause, to: messages.get((state as unknown as { value: string }).value)! })))
    .map((steps) => steps.filter(({ cause }) => !cause.startsWith('xstate.')));
}

/** Does to an entry in the database what an event says, by the functions that do it in a daemon. */
async function take(world: World<'Match'>, subject: string, id: string, { cause, to }: Step): Promise<void> {
  const { hot } = database;
  const task = world.task('Match');
  const { attempt, status } = await world.entry(subject, 'Match');
  if (cause === 'claim') {
    const entry = await claimOne(hot.run, { ...task, claimFromId: world.statusIds.get(status)!, version: 7 }, { daemonId: 5, actor: 'daemon 5', leaseSeconds: 60 }, id);
    expect(entry?.attempt).toBe(attempt + 1);
  } else if (cause === 'rescue' || cause === 'give up') {
    // Which of the two it is, and where it leads, the task says.
    await database.em().execute(`update task set claim_from_id = ?, failed_status_id = ?, most_attempts = ? where id = ?`,
      [cause === 'rescue' ? world.statusIds.get(to)! : 1, cause === 'give up' ? world.statusIds.get(to)! : world.statusIds.get('failed')!, cause === 'rescue' ? 100 : 1, task.id]);
    await database.em().execute(`update task_register set lease_until = clock_timestamp() - interval '1 ms' where subject_id = ?`, [id]);
    expect(await rescue(hot, 'daemon 6', [], 0)).toMatchObject([{ subject, cause }]);
  } else if (cause === 'reset') expect(await resetEntries(database.em(), { subjects: [subject] }, 'person ada')).toHaveLength(1);
  else if (cause === 'retry') expect(await retryEntries(database.em(), { subjects: [subject] }, 'person ada')).toHaveLength(1);
  else if (cause === 'load' || cause === 'deliver') {
    await database.em().execute(`update task_register set status_id = ?, cause = ?, actor = 'given' where subject_id = ?`, [world.statusIds.get(to)!, cause, id]);
  } else {
    const ending = { subjectId: id, attempt, statusId: world.statusIds.get(to)!, cause, outcome: 'finished', wallSeconds: 0, cpuSeconds: 0, setbacks: 0 } as unknown as Ending;
    expect((await advance(hot.run, task.id, 'daemon 5', [ending])).size).toBe(1);
  }
}

async function walk(world: World<'Match'>, walked: readonly Step[][]): Promise<Set<string>> {
  const seen = new Set<string>();
  for (const [n, steps] of walked.entries()) {
    const subject = `sn${n}`;
    const [id] = await world.add(subject);
    let at = 'not processed';
    let attempts = 0;
    for (const step of steps) {
      await take(world, subject, id!, step);
      attempts += step.cause === 'claim' ? 1 : 0;
      const entry = await world.entry(subject, 'Match');
      expect([entry.status, entry.attempt, entry.cause], `path ${n}: ${at} ${step.cause}`).toEqual([step.to, attempts, step.cause]);
      expect(entry.lease_owner === null).toBe(step.to !== PROCESSING);
      seen.add(`${at} | ${step.cause} | ${step.to}`);
      at = step.to;
    }
    expect(await world.transitions(subject, 'Match')).toHaveLength(steps.length);
    await database.em().execute(`delete from subject where id = ?`, [id]);
  }
  return seen;
}

describe('the paths that xstate finds through the status machine', () => {
  it('can all be walked in the database, the shortest to every status', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const shortest = paths(world, getShortestPaths).filter((steps) => steps.length > 0);
    expect(shortest.length).toBe(world.machine.statuses.length - 1);
    await walk(world, shortest);
  });

  it('can all be walked in the database, every simple one, and with the ways back they are all the moves there are', async () => {
    const world = await createWorld(database, { tasks: { Match: {} } });
    const simple = paths(world, getSimplePaths).filter((steps) => steps.length > 0);
    expect(simple.length).toBeGreaterThan(20);
    const seen = await walk(world, simple);
    // A simple path never comes back to where it was: what leads back to the beginning is walked below.
    const back = world.machine.moves.filter(({ to }) => to === 'not processed');
    const rest = world.machine.moves.filter(({ from, cause, to }) => to !== 'not processed' && !seen.has(`${from} | ${cause} | ${to}`));
    expect(rest).toEqual([]);
    const roundTrips = back.map((last): Step[] => [...(paths(world, getShortestPaths).find((steps) => steps.at(-1)?.to === last.from) ?? []), last]);
    expect(roundTrips.length).toBeGreaterThan(8);
    await walk(world, roundTrips);
  });
});
