import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../../src/db/database.ts';
import type { Run } from '../../../src/db/hot.ts';
import { claim, type ClaimTask } from '../../../src/engine/claim.ts';
import { explain } from '../../../src/engine/explain/obstacles.ts';
import { readSnapshot } from '../../../src/engine/explain/snapshot.ts';
import { claimLimited } from '../../../src/engine/limits.ts';
import { PROCESSING } from '../../../src/status/status.ts';
import { createDatabase } from '../../harness.ts';
import { createWorld } from '../create-world.ts';
import { STATUSES, type GivenTask, type World } from '../world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** As the scripted runner's. */
const VERSION = 7;
const NAMES = ['T0', 'T1', 'T2', 'T3', 'T4'];

interface Graph {
  from: string;
  needs: (string | string[] | null)[];
}

/** What is the case in a graph. */
interface Case {
  tasks: {
    active: boolean;
    version: number;
    window: 'none' | 'open' | 'closed' | 'over midnight' | 'never';
    schedule: 'none' | 'on' | 'off';
    concurrency: number | null;
    uses: (number | null)[];
  }[];
  resources: { concurrency: number | null; per_minute: number | null; state: 'closed' | 'open'; open_seconds: number; started: { seconds: number; units: number }[] }[];
  subjects: { at: string | null; priority: number; held: boolean; entries: { status: string; due: number | null; held: boolean }[] }[];
}

const mostly = <T>(usual: T, ...rare: T[]) => fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, ...rare.map((value) => ({ weight: 1, arbitrary: fc.constant(value) })));
const status = fc.oneof({ weight: 6, arbitrary: fc.constant('not processed') }, { weight: 3, arbitrary: fc.constant('processed') }, { weight: 2, arbitrary: fc.constantFrom(...STATUSES.map(({ message }) => message)) });
const wanted = fc.oneof({ weight: 3, arbitrary: status }, { weight: 1, arbitrary: fc.uniqueArray(status, { minLength: 2, maxLength: 3 }) });
const aGraph: fc.Arbitrary<Graph[]> = fc.array(
  fc.record({ from: mostly('not processed', 'needs a look'), needs: fc.array(fc.option(wanted, { freq: 2 }), { minLength: 4, maxLength: 4 }) }),
  { minLength: 2, maxLength: 5 },
);
const aCase: fc.Arbitrary<Case> = fc.record({
  tasks: fc.array(
    fc.record({
      active: mostly(true, false), version: mostly(0, VERSION, VERSION + 1),
      window: mostly<Case['tasks'][number]['window']>('none', 'open', 'closed', 'over midnight', 'never'), schedule: mostly<Case['tasks'][number]['schedule']>('on', 'none', 'off'),
      concurrency: mostly<number | null>(null, 1, 2, 3), uses: fc.array(mostly<number | null>(null, 1, 2), { minLength: 2, maxLength: 2 }),
    }),
    { minLength: 5, maxLength: 5 },
  ),
  resources: fc.array(
    fc.record({
      concurrency: mostly<number | null>(null, 1, 3), per_minute: mostly<number | null>(null, 2, 5), state: mostly<'closed' | 'open'>('closed', 'open'), open_seconds: fc.constantFrom(-60, 60),
      started: fc.array(fc.record({ seconds: fc.constantFrom(20, 90), units: fc.integer({ min: 1, max: 3 }) }), { maxLength: 3 }),
    }),
    { minLength: 2, maxLength: 2 },
  ),
  subjects: fc.array(
    fc.record({
      at: fc.constantFrom(null, '2026-01-01', '2026-01-02'), priority: fc.integer({ min: -1, max: 1 }), held: mostly(false, true),
      entries: fc.array(fc.record({ status, due: mostly<number | null>(null, null, -60, 3600), held: mostly(false, false, true) }), { minLength: 5, maxLength: 5 }),
    }),
    { minLength: 1, maxLength: 8 },
  ),
});

const worldOf = (graph: Graph[]): Promise<World> =>
  createWorld(database, {
    tasks: Object.fromEntries(graph.map(({ from, needs }, n): [string, GivenTask] => [
      NAMES[n]!, { from, needs: Object.fromEntries(needs.slice(0, n).flatMap((need, m) => (need === null ? [] : [[NAMES[m]!, need]]))) },
    ])),
  });

async function fill(graph: Graph[], given: Case): Promise<void> {
  const tasks = given.tasks.slice(0, graph.length);
  await database.hot.transaction(async (run) => {
    const ask = (text: string, value: unknown) => run({ name: '', text }, [JSON.stringify(value)]);
    for (const table of ['subject', 'task_use', 'resource', 'schedule']) await run({ name: '', text: `delete from ${table}` }, []);
    await ask(
      `update task t set active = g.active, runner_version = g.version, concurrency = g.concurrency, window_zone = 'Asia/Kathmandu',
              window_from = case g.window when 'none' then null else (l.at + case g.window when 'open' then interval '-2 h' when 'closed' then interval '2 h' when 'never' then interval '0' else interval '1 h' end)::time end,
              window_to = case g.window when 'none' then null else (l.at + case g.window when 'open' then interval '2 h' when 'closed' then interval '4 h' when 'never' then interval '0' else interval '-1 h' end)::time end
         from jsonb_to_recordset($1) as g(name text, active boolean, version integer, concurrency integer, "window" text)
        cross join (select clock_timestamp() at time zone 'Asia/Kathmandu' as at) l
        where t.name = g.name`,
      tasks.map((task, n) => ({ ...task, name: NAMES[n] })),
    );
    await ask(
      `insert into schedule (runner, pattern, time_zone, enabled, code_pattern, code_time_zone, code_enabled)
       select name, 'every 60 s', 'UTC', schedule = 'on', 'every 60 s', 'UTC', true from jsonb_to_recordset($1) as g(name text, schedule text) where schedule <> 'none'`,
      tasks.map(({ schedule }, n) => ({ schedule, name: NAMES[n] })),
    );
    await ask(
      `insert into resource (name, concurrency, per_minute, state, open_until, cooling_seconds)
       select name, concurrency, per_minute, state, case state when 'open' then clock_timestamp() + open_seconds * interval '1 s' end, 60
         from jsonb_to_recordset($1) as g(name text, concurrency integer, per_minute integer, state text, open_seconds integer)`,
      given.resources.map((resource, n) => ({ ...resource, name: `R${n}` })),
    );
    await ask(
      `insert into resource_start (resource, at, units) select resource, clock_timestamp() - seconds * interval '1 s', units from jsonb_to_recordset($1) as g(resource text, seconds integer, units integer)`,
      given.resources.flatMap(({ started }, n) => started.map((start) => ({ ...start, resource: `R${n}` }))),
    );
    await ask(
      `insert into task_use (task_id, resource, units) select t.id, g.resource, g.units from jsonb_to_recordset($1) as g(name text, resource text, units integer) join task t on t.name = g.name`,
      tasks.flatMap(({ uses }, n) => uses.flatMap((units, m) => (units === null ? [] : [{ name: NAMES[n], resource: `R${m}`, units }]))),
    );
    await ask(
      `insert into subject (kind, name, public_timestamp, priority) select 'transient', name, at, priority from jsonb_to_recordset($1) as g(name text, at timestamptz, priority integer) order by name`,
      given.subjects.map((subject, n) => ({ ...subject, name: `s${n}` })),
    );
    const entries = given.subjects.flatMap((subject, n) => graph.map(({ from }, m) => ({ ...subject.entries[m]!, subject: `s${n}`, task: NAMES[m]!, from })));
    const MOVE = `
      from jsonb_to_recordset($1) as g(subject text, task text, status text, due integer)
      join subject s on s.name = g.subject join task t on t.name = g.task join status st on st.message = g.status
     where r.subject_id = s.id and r.task_id = t.id`;
    const loaded = entries.map((entry) => ({ ...entry, status: entry.status === PROCESSING ? entry.from : entry.status })).filter((entry) => entry.status !== 'not processed');
    await ask(`update task_register r set status_id = st.id, cause = 'load' ${MOVE}`, loaded);
    await ask(`update task_register r set status_id = 2, cause = 'claim', attempt = 1, lease_owner = 1, lease_until = clock_timestamp() + interval '1 h' ${MOVE}`, entries.filter((entry) => entry.status === PROCESSING));
    await ask(`update task_register r set due_at = clock_timestamp() + g.due * interval '1 s' ${MOVE}`, entries.filter(({ due, status: at }) => due !== null && at !== PROCESSING));
    await ask(
      `insert into hold (subject_id, task_id, reason, placed_by) select s.id, t.id, 'for a look', 'dora' from jsonb_to_recordset($1) as g(subject text, task text) join subject s on s.name = g.subject left join task t on t.name = g.task`,
      [...entries.filter(({ held }) => held), ...given.subjects.flatMap(({ held }, n) => (held ? [{ subject: `s${n}`, task: null }] : []))],
    );
  });
}

/** What a claim without a limit of its own would take of a task; it is rolled back. */
async function claimed(task: ClaimTask): Promise<string[]> {
  const undo = new Error('undo');
  let names: string[] = [];
  const by = { daemonId: 1, actor: 'test', leaseSeconds: 60 };
  await database.hot.transaction(async (run: Run) => {
    const [limited] = await run<{ yes: boolean }>({ name: '', text: `select concurrency is not null or exists (select from task_use where task_id = id) as yes from task where id = $1` }, [task.id]);
    const inside = { run, transaction: <T>(act: (run: Run) => Promise<T>) => act(run), close: async () => {} };
    const entries = limited!.yes ? (await claimLimited(inside, task, by, 1000)).entries : await claim(run, task, by, 1000);
    names = entries.map(({ subject }) => `${task.name} of ${subject.name}`);
    throw undo;
  }).catch((error: unknown) => {
    if (error !== undo) throw error;
  });
  return names;
}

describe('what is explained', () => {
  it('agrees with what the claim takes: in any graph, whatever is held, due, closed, off, limited or of another version', async () => {
    const seen = { cases: 0, claimable: 0, kinds: new Map<string, number>() };
    await fc.assert(
      fc.asyncProperty(aGraph, fc.array(aCase, { minLength: 3, maxLength: 3 }), async (graph, cases) => {
        const world = await worldOf(graph);
        for (const given of cases) {
          await fill(graph, given);
          const runners = new Map(world.tasks.map(({ name, runner }) => [name, runner]));
          const explained = explain(await readSnapshot(database.hot.run, given.subjects.map((_, n) => `s${n}`)), runners);
          expect(explained).toHaveLength(given.subjects.length * graph.length);
          const taken: string[] = [];
          for (const { id, name, kind, claimFromId } of world.tasks) taken.push(...(await claimed({ id, name, kind, claimFromId, version: VERSION })));
          const claimable = explained.filter((one) => one.claimable).map(({ subject, task }) => `${task} of ${subject}`);
          expect(claimable.sort()).toEqual(taken.sort());
          expect(explained.filter(({ obstacles }) => obstacles.some(({ kind }) => kind === 'drift'))).toEqual([]);
          seen.cases += 1;
          seen.claimable += claimable.length;
          for (const { obstacles } of explained) for (const { kind } of obstacles) seen.kinds.set(kind, (seen.kinds.get(kind) ?? 0) + 1);
        }
      }),
      { numRuns: 40 },
    );
    // Every way to be kept from running has been there, and so has none.
    expect(seen.cases).toBe(120);
    expect(seen.claimable).toBeGreaterThan(50);
    expect([...seen.kinds.keys()]).toEqual(expect.arrayContaining(['done', 'running', 'prerequisite', 'hold', 'inactive', 'schedule off', 'window', 'due', 'outdated', 'limit', 'turn', 'no daemon']));
  }, 60_000);
});
