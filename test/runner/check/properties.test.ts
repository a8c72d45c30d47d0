import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkGraph } from '../../../src/runner/check/check-graph.ts';
import type { GraphInput } from '../../../src/runner/check/check-graph.ts';
import { INITIAL, PROCESSING, TIME_LIMIT_EXCEEDED } from '../../../src/status/status.ts';
import type { Status } from '../../../src/status/status.ts';
import { ScriptedRunner, task } from './pipeline.ts';

const STATUSES: readonly Status[] = [
  { message: INITIAL, type: 'blank' },
  { message: PROCESSING, type: 'warning' },
  { message: TIME_LIMIT_EXCEEDED, type: 'error' },
  { message: 'processed', type: 'success' },
  { message: 'finished otherwise', type: 'success' },
  { message: 'failed', type: 'error' },
];

/** The statuses that an attempt can end with, apart from where it began. */
const ENDS = STATUSES.map(({ message }) => message).filter((message) => message !== INITIAL && message !== PROCESSING);

/** What a task of a random graph waits for and may return; undefined returns are not declared. */
interface Plan {
  prerequisites: Record<string, string | string[]>;
  returns: string[] | undefined;
}

function graphOf(plans: readonly Plan[]): GraphInput {
  return {
    statuses: STATUSES,
    tasks: plans.map((_, at) => task(nameOf(at))),
    runners: plans.map((plan, at) => new ScriptedRunner({ taskName: nameOf(at), ...plan })),
  };
}

function nameOf(at: number): string {
  return `Step number ${String.fromCodePoint(65 + at)}`;
}

/** A graph in which every task waits for some earlier ones to be processed, in the order of the fixtures or shuffled. */
const acyclic = fc
  .integer({ min: 2, max: 20 })
  .chain((size) =>
    fc.tuple(
      fc.array(fc.array(fc.nat(size - 1), { maxLength: 5 }), { minLength: size, maxLength: size }),
      fc.shuffledSubarray(Array.from({ length: size }, (_, at) => at), { minLength: size, maxLength: size }),
      fc.boolean(),
    ),
  )
  .map(([earlier, order, isDeclared]) =>
    order.map((rank): Plan => {
      const before = (earlier[rank] ?? []).filter((other) => other < rank).map((other) => [nameOf(order.indexOf(other)), 'processed'] as const);
      return { prerequisites: Object.fromEntries(before), returns: isDeclared ? ['processed', 'finished otherwise'] : undefined };
    }),
  );

test('graphs without a circle, on successes only, give no alarm', () => {
  let edges = 0;
  fc.assert(
    fc.property(acyclic, (plans) => {
      edges += plans.flatMap(({ prerequisites }) => Object.keys(prerequisites)).length;
      expect(checkGraph(graphOf(plans))).toEqual([]);
    }),
    { numRuns: 200 },
  );
  expect(edges).toBeGreaterThan(200);
});

const withAnEdge = acyclic.filter((plans) => plans.some(({ prerequisites }) => Object.keys(prerequisites).length > 0));
const strangeName = fc.string({ minLength: 1, maxLength: 30 }).filter((name) => name !== '__proto__' && !STATUSES.some(({ message }) => message === name) && !/^Step number .$/u.test(name));

/** Replaces one of the prerequisites of a random graph, chosen by a number. */
function changeOne(plans: readonly Plan[], choice: number, change: (task: string, status: string | string[]) => [string, string | string[]]): { plans: Plan[]; task: string } {
  const all = plans.flatMap((plan, at) => Object.entries(plan.prerequisites).map(([name, status]) => ({ at, name, status })));
  const { at, name, status } = all[choice % all.length] as (typeof all)[number];
  const changed = plans.map((plan, other) => {
    if (other !== at) return plan;
    const { [name]: _, ...rest } = plan.prerequisites;
    return { ...plan, prerequisites: { ...rest, ...Object.fromEntries([change(name, status)]) } };
  });
  return { plans: changed, task: nameOf(at) };
}

test('a prerequisite on a task that does not exist is always caught, and alone', () => {
  fc.assert(
    fc.property(withAnEdge, fc.nat(), strangeName, (plans, choice, name) => {
      const changed = changeOne(plans, choice, (_, status) => [name, status]);
      const findings = checkGraph(graphOf(changed.plans));
      expect(findings.map(({ code, task: at }) => ({ code, at }))).toEqual([{ code: 'unknown-prerequisite-task', at: changed.task }]);
    }),
  );
});

test('a prerequisite on a status that does not exist is always caught, and alone', () => {
  fc.assert(
    fc.property(withAnEdge, fc.nat(), strangeName, (plans, choice, status) => {
      const changed = changeOne(plans, choice, (name) => [name, status]);
      const findings = checkGraph(graphOf(changed.plans));
      expect(findings.map(({ code, task: at }) => ({ code, at }))).toEqual([{ code: 'unknown-prerequisite-status', at: changed.task }]);
    }),
  );
});

test('a circle is always caught, and alone', () => {
  let longest = 0;
  fc.assert(
    fc.property(withAnEdge, fc.nat(), (plans, choice) => {
      // Some task that waits for another; now the first of those behind the other waits for it too.
      const waiting = plans.flatMap(({ prerequisites }, at) => (Object.keys(prerequisites).length > 0 ? [at] : []));
      const start = waiting[choice % waiting.length] as number;
      const ancestors = [nameOf(start)];
      for (const name of ancestors) {
        const plan = plans[name.codePointAt(name.length - 1)! - 65];
        for (const other of Object.keys(plan?.prerequisites ?? {})) if (!ancestors.includes(other)) ancestors.push(other);
      }
      const first = ancestors.at(-1);
      const closed = plans.map((plan, at) => (nameOf(at) === first ? { ...plan, prerequisites: { ...plan.prerequisites, [nameOf(start)]: 'processed' } } : plan));
      const findings = checkGraph(graphOf(closed));
      expect(findings.map(({ code }) => code)).toEqual(['cycle']);
      longest = Math.max(longest, Number(/of (\d+) tasks/u.exec(findings[0]?.message ?? '')?.[1]));
    }),
    { numRuns: 200 },
  );
  expect(longest).toBeGreaterThanOrEqual(3);
});

const anyStatus = fc.constantFrom(...STATUSES.map(({ message }) => message));
/** Several ends of an attempt, or several statuses of any sort. */
const alternatives = fc.oneof(fc.uniqueArray(fc.constantFrom(...ENDS), { minLength: 2, maxLength: 3 }), fc.uniqueArray(anyStatus, { minLength: 2, maxLength: 3 }));

/** Any graph of up to five tasks, with prerequisites on any status of any task. */
const anyGraph = (wanted: fc.Arbitrary<string | string[]>) => fc.integer({ min: 2, max: 5 }).chain((size) =>
  fc.array(
    fc.record({
      prerequisites: fc.array(fc.tuple(fc.nat(size - 1), wanted), { maxLength: 3 }),
      returns: fc.option(fc.constantFrom<string[][]>(['processed'], ['processed', 'finished otherwise'], ['processed', INITIAL]), { nil: undefined, freq: 8 }),
    }),
    { minLength: size, maxLength: size },
  ).map((rows) => rows.map((row, at): Plan => ({ returns: row.returns, prerequisites: Object.fromEntries(row.prerequisites.filter(([other]) => other !== at).map(([other, status]) => [nameOf(other), status])) }))),
);

/**
 * Where an attempt may be seen running and then be repeated, or alternatives are of different sorts, some graphs without a way are let
 * pass; the analysis never errs the other way.
 */
function isExact(plans: readonly Plan[]): boolean {
  const wanted = plans.flatMap(({ prerequisites }) => Object.values(prerequisites));
  if (wanted.some((one) => Array.isArray(one) && !one.every((status) => ENDS.includes(status)))) return false;
  return plans.every(({ returns }) => returns !== undefined && !returns.includes(INITIAL)) || !wanted.includes(PROCESSING);
}

test.each([
  ['one status each', anyStatus, 600],
  ['alternatives too', fc.oneof(anyStatus, alternatives), 300],
  ['alternative ends', alternatives.filter((statuses) => statuses.every((status) => ENDS.includes(status))), 300],
])('a task is said never to start exactly where a walk over all states finds no way to start it, with %s', (_, wanted, numRuns) => {
  const verdicts = { fine: 0, stuck: 0 };
  fc.assert(
    fc.property(anyGraph(wanted), (plans) => {
      const findings = checkGraph(graphOf(plans)).filter(({ code }) => ['awaits-unproduced-status', 'cycle', 'contradiction'].includes(code));
      const stuck = neverStarting(plans);
      if (isExact(plans)) verdicts[stuck.size === 0 ? 'fine' : 'stuck']++;
      for (const { task: at } of findings) expect(stuck).toContain(at);
      if (isExact(plans)) expect(findings.length > 0).toBe(stuck.size > 0);
    }),
    { numRuns },
  );
  expect(verdicts.fine).toBeGreaterThan(numRuns / 15);
  expect(verdicts.stuck).toBeGreaterThan(numRuns / 15);
});

/** The tasks that never start, by walking through every state that one object can reach. */
function neverStarting(plans: readonly Plan[]): Set<string> {
  const outcomes = plans.map(({ returns }) => new Set(returns === undefined ? STATUSES.map(({ message }) => message).filter((one) => one !== PROCESSING) : [...returns, 'failed', TIME_LIMIT_EXCEEDED]));
  const needs = plans.map(({ prerequisites }) => plans.flatMap((_, other) => (prerequisites[nameOf(other)] === undefined ? [] : [{ other, statuses: [prerequisites[nameOf(other)] ?? []].flat() }])));
  const first = plans.map(() => INITIAL);
  const seen = new Set([first.join('|')]);
  const started = new Set<number>();
  const open = [first];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    for (const [at, status] of state.entries()) {
      const canStart = status === INITIAL && needs[at]?.every(({ other, statuses }) => statuses.includes(state?.[other] ?? ''));
      if (canStart) started.add(at);
      for (const next of canStart ? [PROCESSING] : status === PROCESSING ? (outcomes[at] ?? []) : []) {
        const reached = state.with(at, next);
        if (seen.has(reached.join('|'))) continue;
        seen.add(reached.join('|'));
        open.push(reached);
      }
    }
  }
  return new Set(plans.flatMap((_, at) => (started.has(at) ? [] : [nameOf(at)])));
}
