import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { settle, type Setting } from '../../src/engine/settle.ts';
import type { RunEnd } from '../../src/engine/run.ts';
import { PermanentError, ProcessDiedError, ServiceError, TimeLimitError } from '../../src/errors.ts';
import { DEFAULT_RETRY, waitSeconds, type RetryPolicy } from '../../src/runner/retry-policy.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const setting = (given: Partial<Setting> & { retry?: Partial<RetryPolicy> } = {}): Setting => ({
  policy: { ...DEFAULT_RETRY, ...given.retry }, setbacks: 0, interruption: undefined, claimFrom: 'not processed', failedStatus: 'failed',
  errorStatuses: new Set(['failed', 'no host', 'time limit exceeded']), random: 0.5, now: NOW, ...given,
});
const failed = (error: unknown): RunEnd => ({ cause: 'fail', status: 'failed', error });
const died = new ProcessDiedError('The process of the attempt', { exitCode: null, signal: 'SIGKILL' } as ConstructorParameters<typeof ProcessDiedError>[1]);

describe('the end of an attempt', () => {
  it('with a returned status of type error is a failure of the science and final', () => {
    expect(settle({ cause: 'finish', status: 'no host' }, setting({ setbacks: 2 }))).toMatchObject({ cause: 'finish', status: 'no host', failure: 'science', setbacks: 0, dueInSeconds: undefined });
    expect(settle({ cause: 'finish', status: 'processed' }, setting())).toMatchObject({ failure: undefined });
  });

  it.each([
    ['a service that was declared not to answer', failed(new ServiceError('tns', '503')), {}],
    ['a process that died', failed(died), {}],
    ['a database that went away while the runner used it, whatever the runner threw', failed(new TypeError('rows is undefined')), { interruption: new Error('Connection terminated') }],
  ] as const)('by %s is a failure of the machinery and postponed', (_what, end, more) => {
    expect(settle(end, setting(more))).toMatchObject({ cause: 'postpone', status: 'not processed', failure: 'machinery', setbacks: 1, dueInSeconds: 5 });
  });

  it.each([
    ['an error that nobody declared', failed(new TypeError('x is undefined')), 'fail', 'failed'],
    ['a permanent error', failed(new PermanentError('no such galaxy')), 'fail', 'failed'],
    ['a time limit', { cause: 'time out', status: 'time limit exceeded', error: new TimeLimitError(5) }, 'time out', 'time limit exceeded'],
  ] as const)('by %s is a failure of the science and final', (_what, end, cause, status) => {
    expect(settle(end, setting({ setbacks: 3 }))).toMatchObject({ cause, status, failure: 'science', setbacks: 0, dueInSeconds: undefined });
  });

  it('is retried for other reasons where the policy says so, but never after a permanent error', () => {
    const all = setting({ retry: { thrown: true, timeLimit: true } });
    expect(settle(failed(new TypeError('flaky')), all)).toMatchObject({ cause: 'postpone', failure: 'science' });
    expect(settle({ cause: 'time out', status: 'time limit exceeded', error: new TimeLimitError(5) }, all)).toMatchObject({ cause: 'postpone', failure: 'science' });
    expect(settle(failed(new PermanentError('gone')), all)).toMatchObject({ cause: 'fail' });
  });

  it('gives the entry up when its attempts are used up, and says so', () => {
    expect(settle(failed(new ServiceError('tns', '503')), setting({ setbacks: 4 }))).toMatchObject({
      cause: 'give up', status: 'failed', failure: 'machinery', setbacks: 0, reason: 'given up after 5 attempts: 503',
    });
    expect(settle(failed(new ServiceError('tns', '503')), setting({ retry: { attempts: 1 } }))).toMatchObject({ cause: 'give up' });
    expect(settle({ cause: 'time out', status: 'time limit exceeded', error: new TimeLimitError(5) }, setting({ setbacks: 4, retry: { timeLimit: true } }))).toMatchObject({
      cause: 'time out', status: 'time limit exceeded', reason: 'given up after 5 attempts: The time limit of 5 s is exceeded.',
    });
  });

  it('waits until the time that a service names, however far', () => {
    const at = (seconds: number) => failed(new ServiceError('tns', '429', { retryAt: new Date(NOW.getTime() + seconds * 1000) }));
    expect(settle(at(7200), setting({ random: 0 }))).toMatchObject({ cause: 'postpone', dueInSeconds: 7200 });
    expect(settle(at(-5), setting({ random: 0 }))).toMatchObject({ dueInSeconds: undefined });
    expect(settle(failed(new ServiceError('tns', '429', { retryAt: new Date(NaN) })), setting())).toMatchObject({ dueInSeconds: 5 });
  });

  it('never waits longer than the cap, nor less than nothing', () => {
    let seen = 0;
    fc.assert(fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.double({ min: 0, max: 1e6, noNaN: true }), fc.double({ min: 1, max: 10, noNaN: true }), (setbacks, random, baseSeconds, factor) => {
      const seconds = waitSeconds({ ...DEFAULT_RETRY, baseSeconds, factor }, setbacks, random);
      expect(seconds).toBeGreaterThanOrEqual(0);
      expect(seconds).toBeLessThanOrEqual(DEFAULT_RETRY.capSeconds);
      seen += 1;
    }));
    expect(seen).toBeGreaterThanOrEqual(100);
  });
});
