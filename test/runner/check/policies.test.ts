import { describe, expect, it, test } from 'vitest';
import { checkGraph } from '../../../src/runner/check/check-graph.ts';
import { jobTasks } from '../../../src/runner/job-tasks.ts';
import { dynamic, setting } from '../../../src/runner/qualifier.ts';
import type { TaskRunner } from '../../../src/runner/runner.ts';
import { BUILT_IN, JOB_STATUSES } from '../../../src/status/status.ts';
import { KeyedJob } from '../../jobs/keyed-job.ts';

const findings = (runner: TaskRunner, of = ['error']): string[] =>
  checkGraph({ statuses: [...BUILT_IN.map(({ message, type }) => ({ message, type })), ...JOB_STATUSES], tasks: jobTasks([runner]), runners: [runner], resources: [] } as never)
    .filter(({ severity }) => of.includes(severity))
    .map(({ code, message }) => `${code}: ${message}`);
const given = (policies: object): string[] => findings(new KeyedJob('Sync', policies as never));

describe('the check of a class of jobs', () => {
  it('finds nothing wrong with policies that are right', () => {
    const merge = (_older: object, newer: object) => newer;
    expect(given({ limit: { most: 1, action: 'silence', withinSeconds: 60 }, concurrencyPerKey: 2, debounce: { seconds: 0, longestSeconds: 300, enough: 3, merge }, supersedes: true, qualifiers: [setting('a', 1), dynamic(() => true)] })).toEqual([]);
    const plain = new KeyedJob('Sync', { limit: { most: 1 }, concurrencyPerKey: 1, debounce: { seconds: 30 }, supersedes: true });
    expect(findings(plain, ['error', 'warning'])).toEqual([]);
  });

  test.each([
    [{ limit: 3 }, 'limit should be an object such as { most: 1 }, but it is 3.'],
    [{ limit: { most: 0 } }, 'limit.most should be a whole number of jobs from 1 up, but it is 0.'],
    [{ limit: { most: 1, action: 'silent' } }, `limit.action should be 'error' or 'silence', but it is "silent".`],
    [{ limit: { most: 1, withinSeconds: NaN } }, 'limit.withinSeconds should be a number of seconds, but it is NaN.'],
    [{ concurrencyPerKey: 0.5 }, 'concurrencyPerKey should be a whole number of jobs from 1 up, or undefined for no limit, but it is 0.5.'],
    [{ debounce: 30 }, 'debounce should be an object such as { seconds: 30 }, but it is 30.'],
    [{ debounce: { seconds: '30' } }, 'debounce.seconds should be a number of seconds from 0 up, but it is "30".'],
    [{ debounce: { seconds: 1, longestSeconds: Infinity } }, 'debounce.longestSeconds should be a number of seconds from 0 up, but it is Infinity.'],
    [{ debounce: { seconds: 1, enough: 0 } }, 'debounce.enough should be a whole number of jobs from 1 up, but it is 0.'],
    [{ debounce: { seconds: 1, merge: 'newer' } }, 'debounce.merge should be a function of the older and the newer arguments, but it is "newer".'],
    [{ supersedes: 'yes' }, 'supersedes should be true or false, but it is "yes".'],
    [{ qualifiers: [() => true] }, "qualifiers should have qualifiers only, such as setting('night', true) or instances of a class that extends Qualifier, but one of them is a function."],
    [{ qualifiers: 'night' }, `qualifiers should be a list such as [setting('night', true)], but it is "night".`],
  ])('says of %j what is wrong', (policies, problem) => {
    expect(given(policies)).toEqual([`policy-invalid: KeyedJob.${problem}`]);
  });

  it('finds policies that are misspelt', () => {
    class Misspelt extends KeyedJob {
      readonly debounceSeconds = 30;
      readonly supercedes = true;
    }
    expect(findings(new Misspelt('Sync', {}), ['warning'])).toEqual([
      'field-misspelt: Misspelt has "debounceSeconds", which nothing reads. Did you mean debounce?',
      'field-misspelt: Misspelt has "supercedes", which nothing reads. Did you mean supersedes?',
    ]);
  });

  it('says that what goes by keys needs a method that makes them', () => {
    class Keyless extends KeyedJob {
      override readonly key = undefined as never;
    }
    expect(findings(new Keyless('Sync', { concurrencyPerKey: 1, limit: { most: 1 } }))).toEqual([
      'policy-invalid: Keyless.concurrencyPerKey goes by keys, but there is no method key(args) that would say which jobs belong together.',
    ]);
  });
});
