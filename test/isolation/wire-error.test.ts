import { describe, expect, test } from 'vitest';
import { CancelledError, LeaseLostError, ProcessDiedError, ServiceError, StoppingError, TimeLimitError } from '../../src/errors.ts';
import { fromWire, toWire } from '../../src/isolation/wire-error.ts';

/** What comes out on the other side. */
const sent = (thrown: unknown): Error => fromWire(structuredClone(toWire(thrown)));

describe('an error that goes to another process', () => {
  test.for([
    new LeaseLostError({ task: 'Host match', subject: '2010ag', attempt: 3 }),
    new TimeLimitError(30),
    new StoppingError(),
    new CancelledError('person ada', 'wrong field'),
    new ServiceError('tns', 'away', { retryAt: new Date(5), cause: new Error('ECONNREFUSED') }),
    new ProcessDiedError('It', { exitCode: null, signal: 'SIGKILL' }),
    new RangeError('built in'),
  ])('keeps its class, its fields and its stack: %s', (error) => {
    const other = sent(error);
    expect(other).toBeInstanceOf(error.constructor);
    expect({ ...other, name: other.name, message: other.message, stack: other.stack }).toEqual({ ...error, name: error.name, message: error.message, stack: error.stack });
    expect((other.cause as Error | undefined)?.message).toBe((error.cause as Error | undefined)?.message);
  });

  test('of a class that only its runner knows is one of the class that this extends, by its own name', () => {
    class TnsError extends ServiceError {
      readonly limit = 60;
    }
    const other = sent(new TnsError('tns', 'too many requests'));
    expect(other).toBeInstanceOf(ServiceError);
    expect(other).toMatchObject({ name: 'TnsError', service: 'tns', limit: 60 });
  });

  test('leaves behind what cannot go along', () => {
    const error = Object.assign(new Error('with baggage'), { figure: 3, callback: () => {}, socket: { on: () => {} }, text: 'x'.repeat(1_000_000) });
    expect({ ...sent(error) }).toEqual({ figure: 3 });
  });

  test.for([
    ['text', 'text'], [undefined, 'undefined'], [null, 'null'], [{ code: 5 }, '{"code":5}'],
  ] as const)('may be no error at all: %o', ([thrown, message]) => {
    expect(sent(thrown)).toMatchObject({ name: 'thrown value', message });
  });

  test('may be unreadable', () => {
    const error = new Error('hidden');
    Object.defineProperty(error, 'stack', { get: () => { throw new Error('no'); } });
    expect(sent(error)).toBeInstanceOf(Error);
  });

  test('may be its own cause', () => {
    const error = new Error('round');
    error.cause = error;
    expect(sent(error)).toMatchObject({ message: 'round', cause: { message: 'round' } });
  });
});
