import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/database.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import type { Ending } from '../../src/engine/advance.ts';
import { claim } from '../../src/engine/claim.ts';
import { Finisher } from '../../src/engine/finisher.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { resetEntries, retryEntries } from '../../src/engine/reset.ts';
import { statusesOf } from '../../src/runner/prerequisites.ts';
import { INITIAL, PROCESSING } from '../../src/status/status.ts';
import { createWorld } from '../engine/create-world.ts';
import { listeningLog, type GivenTask, type World } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

interface Stand {
  subject: string;
  task: string;
  status: string;
  unmet: number;
  attempt: number;
}
const register = () =>
  database.em().execute<Stand[]>(
    `select s.name as subject, t.name as task, st.message as status, r.unmet, r.attempt
       from task_register r join subject s on s.id = r.subject_id join task t on t.id = r.task_id join status st on st.id = r.status_id order by s.id, t.id`,
  );

/** The register as its log of transitions tells it; it must be the register. */
async function fold(): Promise<Map<string, { status: string; attempt: number }>> {
  const rows = await database.em().execute<{ subject: string; task: string; from_status: string; to_status: string; cause: string; attempt: number }[]>(
    `select s.name as subject, t.name as task, f.message as from_status, g.message as to_status, x.cause, x.attempt
       from transition x join subject s on s.id = x.subject_id join task t on t.id = x.task_id join status f on f.id = x.from_id join status g on g.id = x.to_id order by x.id`,
  );
  const folded = new Map<string, { status: string; attempt: number }>();
  for (const { subject, task, from_status: from, to_status: to, cause, attempt } of rows) {
    const before = folded.get(`${subject}/${task}`) ?? { status: INITIAL, attempt: 0 };
    expect(from, `${cause} of ${subject}/${task}`).toBe(before.status);
    expect(attempt).toBe(before.attempt + (cause === 'claim' ? 1 : 0));
    folded.set(`${subject}/${task}`, { status: to, attempt });
  }
  return folded;
}

/** That the register, its log, its counters and a count from the beginning agree. */
async function agree(world: World): Promise<number> {
  const rows = await register();
  const folded = await fold();
  const status = new Map(rows.map((row) => [`${row.subject}/${row.task}`, row.status]));
  for (const { subject, task, unmet, attempt, status: now } of rows) {
    expect(folded.get(`${subject}/${task}`) ?? { status: INITIAL, attempt: 0 }).toEqual({ status: now, attempt });
    const { [task]: _own, ...needs } = world.runner(task).prerequisites;
    const open = Object.entries(needs).filter(([need, wanted]) => !statusesOf(wanted).includes(status.get(`${subject}/${need}`) ?? 'none'));
    expect(unmet, `unmet of ${subject}/${task}`).toBe(open.length);
  }
  expect(await countDrift(database.em())).toBe(0);
  return rows.length;
}

/** One status, or alternatives. */
const wanted = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom('processed', 'processed', 'failed', INITIAL, PROCESSING) },
  { weight: 1, arbitrary: fc.uniqueArray(fc.constantFrom('processed', 'failed', 'no host', INITIAL, PROCESSING), { minLength: 2, maxLength: 4 }) },
);
/** A graph without circles: each task waits for statuses of some before it. */
const graphs = fc
  .array(fc.array(fc.tuple(fc.nat(9), wanted), { maxLength: 3 }), { minLength: 2, maxLength: 6 })
  .map((given): Record<string, GivenTask> =>
    Object.fromEntries(given.map((needs, place) => [`T${place}`, { needs: place === 0 ? {} : Object.fromEntries(needs.map(([which, status]) => [`T${which % place}`, status])) }])),
  );
/** One statement: the moves that some entries make at once, each picked from those that are legal then. */
const statements = fc.array(fc.array(fc.record({ entry: fc.nat(), move: fc.nat() }), { minLength: 1, maxLength: 4 }), { minLength: 5, maxLength: 15 });

describe('the counters of unmet prerequisites', () => {
  it('equal a count from the beginning, and the log folds to the register, after any legal moves in any graph', async () => {
    let moves = 0;
    let graphsSeen = 0;
    await fc.assert(
      fc.asyncProperty(graphs, statements, async (tasks, acts) => {
        const world = await createWorld(database, { tasks });
        await world.add('a', 'b');
        for (const act of acts) {
          const rows = await register();
          const picked = new Map(
            act.map(({ entry, move }) => {
              const row = rows[entry % rows.length]!;
              const legal = world.machine.moves.filter(({ from, cause }) => from === row.status && (cause !== 'claim' || row.unmet === 0));
              const { cause, to } = legal[move % legal.length]!;
              return [`${row.subject}/${row.task}`, { subject: row.subject, task: row.task, cause, to: world.statusIds.get(to), claims: cause === 'claim' ? 1 : 0 }] as const;
            }),
          );
          await database.em().execute(
            `update task_register r set status_id = m."to", cause = m.cause, attempt = r.attempt + m.claims
               from jsonb_to_recordset(?::jsonb) as m(subject text, task text, cause text, "to" smallint, claims integer) join subject s on s.name = m.subject join task t on t.name = m.task
              where r.subject_id = s.id and r.task_id = t.id`,
            [JSON.stringify([...picked.values()])],
          );
          moves += picked.size;
        }
        expect(await agree(world)).toBe(2 * Object.keys(tasks).length);
        graphsSeen += 1;
      }),
      { numRuns: 25 },
    );
    expect(graphsSeen).toBe(25);
    expect(moves).toBeGreaterThan(100);
  }, 60_000);

  it('stand when many clients claim, finish, fail, rescue, reset and retry at once, and no deadlock comes through', async () => {
    const world = await createWorld(database, {
      tasks: {
        A: {}, B: { needs: { A: 'processed' } }, C: { needs: { A: 'processed' } }, D: { needs: { B: 'processed', C: 'processed' } },
        Early: { needs: { A: INITIAL } }, Either: { needs: { A: 'processed', B: ['processed', 'failed'] } }, Mend: { needs: { B: 'failed' } }, Watch: { needs: { D: PROCESSING } },
      },
    });
    await world.add(...Array.from({ length: 12 }, (_, n) => `sn${n}`));
    const finishers = new Map(world.tasks.map((task) => [task.id, new Finisher({ hot: database.hot, actor: 'test', daemonId: 0, clock: systemClock, log: listeningLog().log }, task)]));
    const random = pseudoRandom(7_216_003);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    const done = { claimed: 0, ended: 0, late: 0, reset: 0, retried: 0, rescued: 0 };
    const client = async (daemonId: number) => {
      for (let step = 0; step < 70; step += 1) {
        const task = pick(world.tasks);
        const act = random();
        if (act < 0.7) {
          const entries = await claim(database.hot.run, { ...task, version: 7 }, { daemonId, actor: 'test', leaseSeconds: random() < 0.1 ? -1 : 60 }, 1 + Math.floor(random() * 6));
          done.claimed += entries.length;
          await Promise.all(
            entries.map(async (entry) => {
              const held = await finishers.get(task.id)!.finish(endingOf(world, entry, pick(['processed', 'processed', 'processed', 'failed', INITIAL])));
              done[held ? 'ended' : 'late'] += 1;
            }),
          );
        } else if (act < 0.8) done.rescued += (await rescue(database.hot, 'test', [], 0)).length;
        else if (act < 0.9) done.retried += (await retryEntries(database.em(), {}, 'test')).length;
        else done.reset += (await resetEntries(database.em(), { subjects: [`sn${Math.floor(random() * 12)}`] }, 'test')).length;
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, n) => client(n + 1)));
    expect(await agree(world)).toBe(96);
    for (const [what, count] of Object.entries(done)) if (what !== 'rescued' && what !== 'late') expect(count, what).toBeGreaterThan(5);
    expect(done.claimed).toBe(done.ended + done.late);
    const [attempts] = await database.em().execute<{ count: string; running: string }[]>(`select count(*), count(*) filter (where outcome = 'running') as running from attempt`);
    expect(Number(attempts!.count)).toBe(done.claimed);
    const processing = (await register()).filter(({ status }) => status === PROCESSING);
    expect(Number(attempts!.running)).toBe(processing.length);
  }, 60_000);
});

function endingOf(world: World, { subjectId, attempt }: { subjectId: string; attempt: number }, status: string): Ending {
  return {
    subjectId, attempt, statusId: world.statusIds.get(status)!, cause: 'finish', outcome: 'finished', wallSeconds: 0, cpuSeconds: 0,
    result: undefined, warning: undefined, cost: undefined, error: undefined, log: undefined, dueInSeconds: undefined, setbacks: 0,
  };
}

/** The same numbers in every run, 0…1 (Park, Miller & Stockmeyer 1993, CACM 36, 105). */
function pseudoRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
