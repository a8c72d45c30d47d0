import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as blast17 from '../../bench/blast17.ts';
import type { TaskFixture } from '../../src/fixtures/fixture.ts';
import { dependents, mermaid, taskGraph } from '../../src/runner/graph.ts';
import type { TaskGraph } from '../../src/runner/graph.ts';
import type { Prerequisites } from '../../src/runner/prerequisites.ts';
import { Prune, ScriptedRunner, task } from './check/pipeline.ts';

/** A graph from `{ task: prerequisites }`, in the order of the keys. */
function graphOf(prerequisites: Record<string, Prerequisites>, fixtures: readonly TaskFixture[] = []): TaskGraph {
  return taskGraph({
    tasks: [...Object.keys(prerequisites).map((name) => task(name)), ...fixtures],
    runners: Object.entries(prerequisites).map(([taskName, needs]) => new ScriptedRunner({ taskName, prerequisites: needs })),
  });
}

function namesOf({ tasks }: TaskGraph): string[] {
  return tasks.map(({ name }) => name);
}

describe('the order of the tasks', () => {
  test('prerequisites come before those who wait for them, else the fixtures decide', () => {
    expect(namesOf(graphOf({ D: { B: 'processed', C: 'processed' }, C: { A: 'processed' }, B: { A: 'failed' }, A: {} }))).toEqual(['A', 'C', 'B', 'D']);
  });

  test('a task that must find another one untouched comes before it', () => {
    expect(namesOf(graphOf({ Fit: {}, 'Quick look': { Fit: 'not processed' } }))).toEqual(['Quick look', 'Fit']);
  });

  test('a wish to find another one untouched gives way where both have it', () => {
    expect(namesOf(graphOf({ Fit: { 'Other fit': 'not processed' }, 'Other fit': { Fit: 'not processed' } }))).toEqual(['Fit', 'Other fit']);
  });

  test('a circle is drawn in the order of the fixtures', () => {
    expect(namesOf(graphOf({ B: { A: 'processed' }, A: { B: 'processed' }, C: { A: 'processed' } }))).toEqual(['B', 'A', 'C']);
  });

  test('in any graph without a circle, every task comes after those it waits for', () => {
    let edges = 0;
    const plans = fc.integer({ min: 1, max: 15 }).chain((size) =>
      fc.tuple(fc.shuffledSubarray(Array.from({ length: size }, (_, at) => at), { minLength: size }), fc.array(fc.array(fc.nat(14), { maxLength: 4 }), { minLength: size, maxLength: size })),
    );
    fc.assert(
      fc.property(plans, ([order, earlier]) => {
        const needs = order.map((rank) => [`T${rank}`, Object.fromEntries((earlier[rank] ?? []).filter((other) => other < rank).map((other) => [`T${other}`, 'processed']))] as const);
        const graph = graphOf(Object.fromEntries(needs));
        const place = new Map(namesOf(graph).map((name, at) => [name, at]));
        expect(place.size).toBe(order.length);
        for (const { task: waiting, prerequisite } of graph.requirements) {
          edges++;
          expect(place.get(prerequisite)).toBeLessThan(place.get(waiting) as number);
        }
      }),
    );
    expect(edges).toBeGreaterThan(100);
  });
});

describe('what a task waits for', () => {
  test('its own status is where it is claimed from, and no requirement', () => {
    const graph = graphOf({ A: {}, B: { A: 'failed', B: 'blocked' } });
    expect(graph.tasks).toEqual([
      { name: 'A', kind: 'transient', active: true, claimFrom: 'not processed', hasRunner: true },
      { name: 'B', kind: 'transient', active: true, claimFrom: 'blocked', hasRunner: true },
    ]);
    expect(graph.requirements).toEqual([{ task: 'B', prerequisite: 'A', statuses: ['failed'] }]);
  });

  test('any of several statuses is one requirement, and no circle where one of them is that the other is untouched', () => {
    const graph = graphOf({ B: { A: ['not processed', 'processed'] }, A: { B: ['processed', 'failed', 'processed'] } });
    expect(namesOf(graph)).toEqual(['B', 'A']);
    expect(graph.requirements).toEqual([
      { task: 'B', prerequisite: 'A', statuses: ['not processed', 'processed'] },
      { task: 'A', prerequisite: 'B', statuses: ['processed', 'failed'] },
    ]);
    expect(dependents(graph, 'A')).toEqual(['B']);
  });

  test('system tasks and unknown ones have no place, and a task without a runner waits for nothing', () => {
    const graph = taskGraph({ tasks: [task('Later'), task('Prune history', 'system')], runners: [new Prune(), new ScriptedRunner({ taskName: 'Lost', prerequisites: { Later: 'processed' } })] });
    expect(graph).toEqual({ tasks: [{ name: 'Later', kind: 'transient', active: true, claimFrom: 'not processed', hasRunner: false }], requirements: [] });
  });

  test('dependents are those who wait for any status of a task', () => {
    const graph = taskGraph(blast17);
    expect(dependents(graph, 'Crop transient images')).toEqual(['Generate thumbnail final']);
    expect(dependents(graph, 'Cutout download')).toHaveLength(16);
    expect(dependents(graph, 'Generate thumbnail final')).toEqual([]);
  });
});

describe('the diagram', () => {
  test('shows every edge that does not follow from others, with the awaited status', () => {
    expect(mermaid(graphOf({ A: {}, B: { A: 'processed' }, C: { A: 'processed', B: 'failed' } }))).toBe(
      ['flowchart TD', '  t1["A"]', '  t2["B"]', '  t3["C"]', '  t1 -->|"processed"| t2', '  t2 -->|"failed"| t3'].join('\n'),
    );
  });

  test('shows the edges that follow as well if asked', () => {
    expect(mermaid(graphOf({ A: {}, B: { A: 'processed' }, C: { A: 'processed', B: 'failed' } }), { everyEdge: true })).toContain('  t1 -->|"processed"| t3');
  });

  test('keeps an edge that does not follow: another status, one in passing, or one that is still to come', () => {
    const kept = mermaid(graphOf({ A: {}, B: { A: 'processed' }, C: { A: 'failed', B: 'processed' }, D: { A: 'processing', B: 'processed' } }));
    expect(kept).toContain('t1 -->|"failed"| t3');
    expect(kept).toContain('t1 -->|"processing"| t4');
    expect(mermaid(graphOf({ B: { A: 'not processed' }, C: { A: 'not processed', B: 'processed' }, A: {} }))).toContain('t3 -.->|"not processed"| t2');
  });

  test('names all alternatives on an edge, which follows from others only where they allow no more than it does', () => {
    const either = ['processed', 'failed'];
    expect(mermaid(graphOf({ A: {}, B: { A: either }, C: { A: 'processed', B: 'processed' } }))).toContain('  t1 -->|"processed or failed"| t2\n  t1 -->|"processed"| t3');
    expect(mermaid(graphOf({ A: {}, B: { A: 'processed' }, C: { A: either, B: 'processed' } }))).not.toContain('t1 -->|"processed or failed"| t3');
    expect(mermaid(graphOf({ A: {}, B: { A: ['not processed', 'failed'] } }))).toContain('  t1 -->|"not processed or failed"| t2');
  });

  test('of the seventeen tasks of Blast has nineteen edges in place of eighty-five', () => {
    const graph = taskGraph(blast17);
    expect(graph.requirements).toHaveLength(85);
    expect(mermaid(graph).match(/-->/gu)).toHaveLength(19);
    expect(mermaid(graph, { everyEdge: true }).match(/-->/gu)).toHaveLength(85);
  });

  test('shows an own status as an edge from a task to itself, and idle tasks with a dashed border', () => {
    expect(mermaid(graphOf({ A: { A: 'failed' } }, [{ ...task('B'), active: false }]))).toBe(
      ['flowchart TD', '  t1["A"]', '  t2["B"]', '  t1 -->|"failed"| t1', '  classDef idle stroke-dasharray: 5 5', '  class t2 idle'].join('\n'),
    );
  });

  test('no name can break out of its label', () => {
    const text = mermaid(graphOf({ 'say "hi"]; end\n%% <b>#35;`*': {}, B: { 'say "hi"]; end\n%% <b>#35;`*': 'a|"b' } }));
    expect(text.split('\n')).toHaveLength(4);
    expect(text).toContain('  t1["say #34;hi#34;#93;#59; end#10;#37;#37; #60;b#62;#35;35#59;#96;#42;"]');
    expect(text).toContain('  t1 -->|"a#124;#34;b"| t2');
    expect(mermaid(graphOf({ '1. Follow-up': {} }))).toContain('  t1["1#46; Follow-up"]');
  });
});
