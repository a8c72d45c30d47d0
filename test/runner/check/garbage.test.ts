import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkGraph } from '../../../src/runner/check/check-graph.ts';
import { SEVERITY } from '../../../src/runner/check/finding.ts';
import type { GraphInput } from '../../../src/runner/check/check-graph.ts';
import { listOf, pipeline, Prune, ScriptedRunner } from './pipeline.ts';

const anything = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withSparseArray: true, withNullPrototype: true, withTypedArray: true });

/** Findings are what they promise to be, whatever came in. */
function isSound(input: unknown): boolean {
  const findings = checkGraph(input as GraphInput);
  for (const { code, severity, message, task } of findings) {
    expect(SEVERITY[code]).toBe(severity);
    expect(typeof message).toBe('string');
    expect(['string', 'undefined']).toContain(typeof task);
  }
  return findings.some(({ severity }) => severity === 'error');
}

test('anything at all in place of everything is an error and throws nothing', () => {
  let runs = 0;
  fc.assert(fc.property(anything, (input) => (runs++, isSound(input))), { numRuns: 300 });
  expect(runs).toBeGreaterThanOrEqual(300);
});

test('anything at all in place of a list throws nothing', () => {
  fc.assert(
    fc.property(fc.constantFrom('statuses', 'tasks', 'resources', 'runners'), anything, (list, input) => {
      const isError = isSound({ ...pipeline(), [list]: input });
      // No runners are a warning, no resources are nothing.
      return isError || (list === 'runners' && Array.isArray(input) && input.length === 0) || list === 'resources';
    }),
    { numRuns: 100 },
  );
  fc.assert(fc.property(anything, (entries) => !isSound({ ...pipeline(), entries })));
});

test('anything at all as a member of a list throws nothing', () => {
  fc.assert(
    fc.property(fc.constantFrom('statuses' as const, 'tasks' as const, 'resources' as const, 'runners' as const), anything, fc.nat(16), (list, input, at) => {
      const given = pipeline();
      (given[list] as unknown[]).splice(at, 1, input);
      return isSound(given);
    }),
    { numRuns: 100 },
  );
});

test('anything at all as a field of a runner or of a fixture throws nothing', () => {
  const fields = Object.getOwnPropertyNames(new ScriptedRunner()).concat('runProcess', 'constructor', 'runsAtStart', '__proto__', 'toString');
  fc.assert(
    fc.property(fc.constantFrom(...fields), anything, fc.nat(17), (field, input, at) => {
      const given = pipeline();
      Object.defineProperty(listOf(given)[at] as object, field, { value: input, enumerable: true, configurable: true });
      isSound(given);
    }),
    { numRuns: 200 },
  );
  fc.assert(
    fc.property(fc.constantFrom('name', 'kind', 'active', 'timeLimitSeconds', 'window'), anything, fc.nat(17), (field, input, at) => {
      const given = pipeline();
      Object.assign(given.tasks[at] as object, { [field]: input });
      isSound(given);
    }),
    { numRuns: 100 },
  );
});

test('prerequisites and returns of any names throw nothing', () => {
  const names = fc.oneof(fc.string({ maxLength: 40 }), fc.constantFrom('__proto__', 'constructor', 'toString', 'x'.repeat(100_000), '\ud800'));
  fc.assert(
    fc.property(fc.array(fc.tuple(names, fc.oneof(names, anything)), { minLength: 1, maxLength: 5 }), fc.array(names, { maxLength: 5 }), (prerequisites, returns) => {
      const given = pipeline();
      Object.assign(listOf(given)[3] as object, { prerequisites: Object.fromEntries(prerequisites), returns });
      return isSound(given);
    }),
    { numRuns: 100 },
  );
});

test('objects that refuse to be looked at are errors and throw nothing', () => {
  const refuse = (): never => {
    throw new Error('no');
  };
  const hostile = (target: object): object => new Proxy(target, { get: refuse, getPrototypeOf: refuse, ownKeys: refuse, has: refuse, getOwnPropertyDescriptor: refuse });
  const revoked = Proxy.revocable([], {});
  revoked.revoke();
  class Throwing extends ScriptedRunner {}
  for (const field of ['taskName', 'schedule', 'timeZone', 'version', 'timeLimitSeconds', 'prerequisites', 'returns', 'runProcess', 'wakes', 'initiallyEnabled', 'missedSlots', 'retry', 'isolation', 'memoryLimitMiB', 'killGraceSeconds', 'concurrency', 'uses', 'requires', 'qualifiers']) {
    const runner = Object.defineProperty(new Throwing(), field, { get: refuse });
    expect(isSound({ ...pipeline(), runners: [runner, new Prune()] })).toBe(true);
  }
  const inputs = [hostile({}), hostile([]), hostile(() => {}), revoked.proxy, Array.from({ length: 3 }, () => hostile(new ScriptedRunner())), new Array(2 ** 32 - 1)];
  for (const input of inputs) {
    expect(isSound(input)).toBe(true);
    for (const list of ['statuses', 'tasks', 'resources', 'runners']) expect(isSound({ ...pipeline(), [list]: input })).toBe(true);
    expect(isSound({ ...pipeline(), runners: [...listOf(pipeline()).slice(1), input] })).toBe(true);
  }
});

test('a thousand tasks in a row, each waiting for all before it, are checked within seconds', { timeout: 20_000 }, () => {
  const given = pipeline();
  const names = Array.from({ length: 1000 }, (_, at) => `Task ${at}`);
  given.tasks = names.map((name) => ({ name, kind: 'transient', description: '', owner: '', timeLimitSeconds: null, active: true }));
  given.runners = names.map((name, at) => new ScriptedRunner({ taskName: name, prerequisites: Object.fromEntries(names.slice(Math.max(0, at - 20), at).map((other) => [other, 'processed'])) }));
  const before = performance.now();
  expect(checkGraph(given as GraphInput)).toEqual([]);
  expect(performance.now() - before).toBeLessThan(10_000);
});
