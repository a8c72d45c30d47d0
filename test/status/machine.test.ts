import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { getShortestPaths } from 'xstate/graph';
import { IllegalMoveError } from '../../src/errors.ts';
import { createStatusMachine, type Cause, type EntryState, type StatusEvent, type StatusMachine } from '../../src/status/machine.ts';
import { BUILT_IN, INITIAL, PROCESSING, TIME_LIMIT_EXCEEDED, type Status } from '../../src/status/status.ts';

const statuses: readonly Status[] = [
  ...BUILT_IN.map(({ message, type }) => ({ message, type })),
  { message: 'processed', type: 'success' },
  { message: 'failed', type: 'error' },
  { message: 'needs a look', type: 'warning' },
  { message: 'skipped', type: 'blank' },
];

/** Every legal move of the statuses above, written down by hand: from, cause, and where it may lead. */
const MOVES: readonly (readonly [from: string, cause: Cause, to: readonly string[]])[] = [
  [INITIAL, 'claim', [PROCESSING]],
  [INITIAL, 'load', [TIME_LIMIT_EXCEEDED, 'processed', 'failed', 'needs a look', 'skipped']],
  [INITIAL, 'deliver', [TIME_LIMIT_EXCEEDED, 'processed', 'failed', 'needs a look', 'skipped']],
  [PROCESSING, 'finish', [INITIAL, TIME_LIMIT_EXCEEDED, 'processed', 'failed', 'needs a look', 'skipped']],
  [PROCESSING, 'fail', [TIME_LIMIT_EXCEEDED, 'failed', 'needs a look', 'skipped']],
  [PROCESSING, 'give up', [TIME_LIMIT_EXCEEDED, 'failed', 'needs a look', 'skipped']],
  [PROCESSING, 'time out', [TIME_LIMIT_EXCEEDED]],
  [PROCESSING, 'release', [INITIAL]],
  [PROCESSING, 'rescue', [INITIAL]],
  [PROCESSING, 'postpone', [INITIAL]],
  [PROCESSING, 'cancel', [INITIAL]],
  [PROCESSING, 'reset', [INITIAL]],
  [TIME_LIMIT_EXCEEDED, 'reset', [INITIAL]],
  [TIME_LIMIT_EXCEEDED, 'retry', [INITIAL]],
  ['processed', 'reset', [INITIAL]],
  ['failed', 'reset', [INITIAL]],
  ['failed', 'retry', [INITIAL]],
  ['needs a look', 'reset', [INITIAL]],
  ['skipped', 'reset', [INITIAL]],
];
const CAUSES: readonly Cause[] = ['claim', 'finish', 'fail', 'time out', 'release', 'rescue', 'give up', 'postpone', 'cancel', 'deliver', 'reset', 'retry', 'load'];
const LEADING = new Set<Cause>(['finish', 'fail', 'time out', 'release', 'rescue', 'give up', 'postpone', 'cancel', 'deliver', 'load']);

/** An event of any cause, to any status: the types allow less, the world does not. */
const event = (type: Cause, status: string, attempt: number): StatusEvent => (LEADING.has(type) ? { type, status, attempt } : { type }) as StatusEvent;
/** Rescuers and fixtures hold no attempt. */
const unheld = (type: 'rescue' | 'give up' | 'load', status: string): StatusEvent => ({ type, status });
const at = (status: string, more: Partial<EntryState> = {}): EntryState => ({ status, attempt: 3, unmet: 0, ...more });

describe('the status machine', () => {
  const machine = createStatusMachine(statuses);

  it('knows these moves and no others', () => {
    const expected = MOVES.flatMap(([from, cause, tos]) => tos.map((to) => ({ from, cause, to })));
    expect(new Set(machine.moves.map(asText))).toEqual(new Set(expected.map(asText)));
    expect(machine.moves).toHaveLength(expected.length);
  });

  it('cancels jobs before they begin and while they run, where there is the status for it', () => {
    const withCancelled = createStatusMachine([...statuses, { message: 'cancelled', type: 'error' }]);
    const cancels = withCancelled.moves.filter(({ cause }) => cause === 'cancel');
    expect(cancels.map(({ from, to }) => [from, to])).toEqual([[INITIAL, 'cancelled'], [PROCESSING, INITIAL], [PROCESSING, 'cancelled']]);
    expect(createStatusMachine([...statuses, { message: 'cancelled', type: 'blank' }]).moves.filter(({ cause, to }) => cause === 'cancel' && to === 'cancelled')).toEqual([]);
  });

  it('makes every move that it knows and refuses every other one aloud', () => {
    const legal = new Set(machine.moves.map(asText));
    let made = 0;
    let refused = 0;
    for (const { message: from } of statuses) {
      for (const cause of CAUSES) {
        // Where the event does not say where it leads, its only goal counts.
        for (const to of LEADING.has(cause) ? statuses.map(({ message }) => message) : [cause === 'claim' ? PROCESSING : INITIAL]) {
          const act = () => machine.next(at(from), event(cause, to, 3));
          if (legal.has(asText({ from, cause, to }))) {
            expect(act()).toEqual({ status: to, unmet: 0, attempt: cause === 'claim' ? 4 : 3 });
            made += 1;
          } else {
            expect(act, asText({ from, cause, to })).toThrow(IllegalMoveError);
            refused += 1;
          }
        }
      }
    }
    expect(made).toBe(machine.moves.length);
    expect(refused).toBe(statuses.length * (10 * statuses.length + 3) - made);
  });

  it('lets an entry be claimed only when no prerequisite is unmet, and counts the attempt', () => {
    expect(() => machine.next(at(INITIAL, { unmet: 1 }), { type: 'claim' })).toThrow('no move "claim" from "not processed"');
    expect(machine.next(at(INITIAL, { attempt: 0 }), { type: 'claim' })).toEqual({ status: PROCESSING, attempt: 1, unmet: 0 });
  });

  it.each(['finish', 'fail', 'time out', 'release'] as const)('refuses a late writer: %s of an attempt that is over', (cause) => {
    const to = { finish: 'processed', fail: 'failed', 'time out': TIME_LIMIT_EXCEEDED, release: INITIAL }[cause];
    expect(() => machine.next(at(PROCESSING), event(cause, to, 2))).toThrow(IllegalMoveError);
    expect(() => machine.next(at(PROCESSING), event(cause, to, 4))).toThrow(IllegalMoveError);
    expect(machine.next(at(PROCESSING), event(cause, to, 3))).toMatchObject({ status: to });
  });

  it('takes a lost entry back without holding its attempt', () => {
    expect(machine.next(at(PROCESSING), unheld('rescue', INITIAL))).toEqual(at(INITIAL));
    expect(machine.next(at(PROCESSING), unheld('give up', 'failed'))).toEqual(at('failed'));
  });

  it('names what was asked of it when it refuses', () => {
    expect(() => machine.next(at(PROCESSING), event('finish', 'procesed', 3))).toThrow('The status machine has no move "finish" from "processing" to "procesed".');
    expect(() => machine.next(at('gone'), { type: 'reset' })).toThrow('The status machine has no move "reset" from "gone".');
    expect(() => machine.next(at(PROCESSING), event('finish', PROCESSING, 3))).toThrow(IllegalMoveError);
    expect(() => machine.next(at(INITIAL), { type: 'explode' } as unknown as StatusEvent)).toThrow('no move "explode"');
  });

  it('leaves the entry that it was given as it was', () => {
    const entry = Object.freeze(at(INITIAL));
    machine.next(entry, { type: 'claim' });
    expect(entry).toEqual(at(INITIAL));
  });

  it('has a shortest path to every status, and each step of it is a move', () => {
    const paths = shortestPaths(machine);
    expect(new Set(paths.map(({ end }) => end.status))).toEqual(new Set(statuses.map(({ message }) => message)));
    for (const { events, end } of paths) {
      let entry: EntryState = { status: INITIAL, attempt: 0, unmet: 0 };
      for (const step of events) entry = machine.next(entry, step);
      expect(entry.status).toBe(end.status);
    }
  });

  it('comes to the same end as its list of moves, whatever happens in whatever order', () => {
    const legal = new Set(machine.moves.map(asText));
    let steps = 0;
    fc.assert(
      fc.property(fc.array(fc.record({ cause: fc.constantFrom(...CAUSES), to: fc.constantFrom(...statuses.map(({ message }) => message)), late: fc.boolean() }), { maxLength: 30 }), (acts) => {
        let entry: EntryState = { status: INITIAL, attempt: 0, unmet: 0 };
        let claims = 0;
        for (const { cause, to, late } of acts) {
          const held = late ? entry.attempt - 1 : entry.attempt;
          const goal = LEADING.has(cause) ? to : cause === 'claim' ? PROCESSING : INITIAL;
          const may = legal.has(asText({ from: entry.status, cause, to: goal })) && !(late && LEADING.has(cause));
          let after = entry;
          try {
            after = machine.next(entry, event(cause, to, held));
            expect(may).toBe(true);
            expect(after.status).toBe(goal);
            claims += cause === 'claim' ? 1 : 0;
          } catch (error) {
            if (!(error instanceof IllegalMoveError)) throw error;
            expect(may).toBe(false);
          }
          entry = after;
          steps += 1;
        }
        expect(entry.attempt).toBe(claims);
      }),
      { numRuns: 200 },
    );
    expect(steps).toBeGreaterThan(500);
  });
});

describe('a runner that starts from another status', () => {
  const machine = createStatusMachine(statuses, ['failed', INITIAL]);

  it('may claim from it, and what is handed back or rescued goes back to it', () => {
    expect(machine.next(at('failed'), { type: 'claim' })).toEqual(at(PROCESSING, { attempt: 4 }));
    expect(machine.next(at(PROCESSING), event('release', 'failed', 3))).toEqual(at('failed'));
    expect(machine.next(at(PROCESSING), unheld('rescue', 'failed'))).toEqual(at('failed'));
    expect(() => machine.next(at('failed', { unmet: 1 }), { type: 'claim' })).toThrow(IllegalMoveError);
  });

  it('leaves the initial status claimable, and no third one', () => {
    expect(machine.next(at(INITIAL), { type: 'claim' }).status).toBe(PROCESSING);
    expect(() => machine.next(at('needs a look'), { type: 'claim' })).toThrow(IllegalMoveError);
    expect(() => machine.next(at(PROCESSING), unheld('rescue', 'needs a look'))).toThrow(IllegalMoveError);
  });
});

describe('a status may be called', () => {
  const odd = ['a.b', 'a․b', '.', '..', '#status', '#id.a', 'a\\b', '"quoted"', "it's", '*', '', '__proto__', 'constructor', 'naïve ☄️', '終了', ' padded ', 'a,b;c:d', '<b>', '%', 's1', 'not processed.'];

  it.each(odd)('%j', (message) => {
    const machine = createStatusMachine([...statuses, ...odd.map((name): Status => ({ message: name, type: 'error' }))], [message]);
    expect(machine.next(at(PROCESSING), event('finish', message, 3))).toEqual(at(message));
    expect(machine.next(at(message), { type: 'claim' }).status).toBe(PROCESSING);
    expect(machine.next(at(message), { type: 'reset' }).status).toBe(INITIAL);
    expect(() => machine.next(at(message), event('finish', 'processed', 3))).toThrow(IllegalMoveError);
  });

  it('has all of them reached by a shortest path of its own', () => {
    const machine = createStatusMachine([...statuses, ...odd.map((name): Status => ({ message: name, type: 'warning' }))]);
    expect(new Set(shortestPaths(machine).map(({ end }) => end.status))).toEqual(new Set([...statuses.map(({ message }) => message), ...odd]));
  });
});

/** Where the shortest paths through the xstate machine lead, with the events on the way. */
function shortestPaths({ machine, moves }: StatusMachine): { end: { status: string }; events: StatusEvent[] }[] {
  const events = [...CAUSES].flatMap((cause) => [...new Set(moves.map(({ to }) => to))].flatMap((to) => [0, 1].map((attempt) => event(cause, to, attempt))));
  const paths = getShortestPaths(machine, {
    events,
    // The count of attempts grows for ever; what it does is tested elsewhere.
    serializeState: ({ value }) => JSON.stringify(value),
    limit: 100_000,
  });
  return paths.map(({ state, steps }) => ({
    end: { status: (Object.values(state.getMeta())[0] as { message: string }).message },
    events: steps.map((step) => step.event as StatusEvent).filter(({ type }) => (type as string) !== 'xstate.init'),
  }));
}

function asText({ from, cause, to }: { from: string; cause: string; to: string }): string {
  return `${from} | ${cause} | ${to}`;
}
