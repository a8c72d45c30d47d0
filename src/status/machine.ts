import { assign, setup, transition, type AnyStateMachine } from 'xstate';
import { IllegalMoveError } from '../errors.ts';
import { CANCELLED, INITIAL, OMITTED, PROCESSING, SKIPPED, TIME_LIMIT_EXCEEDED, type Status } from './status.ts';

/** Why a status changes. The same words stand in the columns `cause`, in the diagram and on the pages. */
export type Cause = 'claim' | 'finish' | 'fail' | 'time out' | 'release' | 'rescue' | 'give up' | 'postpone' | 'cancel' | 'deliver' | 'reset' | 'retry' | 'load' | 'omit' | 'skip';

/** Something that happens to an entry. `attempt` is the attempt that the writer holds: a late writer is refused. */
export type StatusEvent =
  | { type: 'claim' }
  /** The runner returned a status. */
  | { type: 'finish'; status: string; attempt: number }
  /** The runner threw, or returned what is no status. */
  | { type: 'fail'; status: string; attempt: number }
  | { type: 'time out'; status: typeof TIME_LIMIT_EXCEEDED; attempt: number }
  /** The daemon stops and hands the entry back, to the status that it was claimed from. */
  | { type: 'release'; status: string; attempt: number }
  /** The machinery failed: the entry goes back to the status that it was claimed from and waits there for its next attempt. */
  | { type: 'postpone'; status: string; attempt: number }
  /** A person stopped the attempt: the entry goes back to the status that it was claimed from, and is held there; a job gets the status `cancelled`, before it has begun too. */
  | { type: 'cancel'; status: string; attempt: number }
  /** A finished result that could not be written in time comes after the rescue and before the next claim. */
  | { type: 'deliver'; status: string; attempt: number }
  /** The lease expired: the entry goes back to the status that it was claimed from. */
  | { type: 'rescue'; status: string }
  /** The machinery failed once too often: the entry gets its failed status. */
  | { type: 'give up'; status: string }
  /** A person starts the entry afresh. */
  | { type: 'reset' }
  /** A person has a failed entry done again. */
  | { type: 'retry' }
  /** The fixtures say where an untouched entry stands. */
  | { type: 'load'; status: string }
  /** The task does not apply to a request, says its intake or a person. */
  | { type: 'omit'; status: typeof OMITTED }
  /** A newer job of its key has made a pending one superfluous. */
  | { type: 'skip'; status: typeof SKIPPED };

/** What the machine needs to know of an entry of the register. */
export interface EntryState {
  status: string;
  /** The number of the last attempt, 0 before the first. */
  attempt: number;
  /** How many prerequisites are not met. */
  unmet: number;
}

/** A move that the machine knows; `status_move` in the database holds the same list. */
export interface Move {
  from: string;
  cause: Cause;
  to: string;
}

/** The legal moves of an entry, made from the statuses of the fixtures. Pure: it decides, others write. */
export interface StatusMachine {
  readonly statuses: readonly Status[];
  /** Every (from, cause, to) there is, in the order of the statuses. */
  readonly moves: readonly Move[];
  /** The xstate machine itself, for diagrams and path tests. The `meta` of its states is the status. */
  readonly machine: AnyStateMachine;
  /**
   * The entry after the event.
   *
   * @throws {IllegalMoveError} the machine does not know the move: unmet prerequisites, a late writer, a status that is none
   */
  next(entry: EntryState, event: StatusEvent): EntryState;
}

type Context = Pick<EntryState, 'attempt' | 'unmet'>;

/**
 * Makes the status machine.
 *
 * @param statuses all of the fixtures, the built-in ones among them
 * @param claimFrom the statuses that some runner starts from; `not processed` is always among them
 */
export function createStatusMachine(statuses: readonly Status[], claimFrom: readonly string[] = [INITIAL]): StatusMachine {
  const starts = [...new Set([INITIAL, ...claimFrom])];
  const moves = statuses.flatMap((from) => movesFrom(from, statuses, starts));
  // A status may be called anything, but xstate reads dots, hashes and backslashes in a state's key; so the keys are numbers.
  const keys = new Map(statuses.map(({ message }, place) => [message, `s${place}`]));
  const messages = new Map([...keys].map(([message, key]) => [key, message]));
  const machine = build(statuses, moves, (message) => keys.get(message)!);
  const ask = ({ status, ...context }: EntryState, event: StatusEvent): EntryState => {
    const to = 'status' in event ? event.status : undefined;
    const value = keys.get(status);
    if (value === undefined) throw new IllegalMoveError(status, event.type, to);
    const snapshot = machine.resolveState({ value, context });
    // xstate keeps silent about an event that it does not know, so it is asked first.
    if (!snapshot.can(event)) throw new IllegalMoveError(status, event.type, to);
    const [after] = transition(machine, snapshot, event);
    return { status: messages.get(after.value as string)!, ...(after.context as Context) };
  };
  const answers = new Map<string, { status: string; attempts: number }>();
  return {
    statuses,
    moves,
    machine,
    next(entry, event) {
      // xstate's answer depends on this alone. Asking it costs 14 µs, which is more than all else that a daemon does for an empty run.
      const to = 'status' in event ? event.status : '';
      const held = 'attempt' in event ? event.attempt === entry.attempt : '';
      const asked = [entry.status, event.type, to, held, entry.unmet === 0].join('\0');
      let answer = answers.get(asked);
      if (answer === undefined) {
        const after = ask(entry, event);
        answer = { status: after.status, attempts: after.attempt - entry.attempt };
        answers.set(asked, answer);
      }
      return { status: answer.status, attempt: entry.attempt + answer.attempts, unmet: entry.unmet };
    },
  };
}

function movesFrom(from: Status, statuses: readonly Status[], starts: readonly string[]): Move[] {
  const move = (cause: Cause, to: string): Move => ({ from: from.message, cause, to });
  const moves: Move[] = [];
  if (starts.includes(from.message)) {
    moves.push(move('claim', PROCESSING));
    for (const { message } of statuses) if (message !== PROCESSING && message !== from.message) moves.push(move('deliver', message));
  }
  if (from.message === PROCESSING) {
    for (const { message, type } of statuses) {
      if (message !== PROCESSING) moves.push(move('finish', message));
      // What failed must not look untouched or done; `checkGraph` refuses runners that would have it so.
      if (message !== PROCESSING && message !== INITIAL && type !== 'success') moves.push(move('fail', message), move('give up', message));
      if (type === 'error' && message === TIME_LIMIT_EXCEEDED) moves.push(move('time out', message));
      if (starts.includes(message)) moves.push(move('release', message), move('rescue', message), move('postpone', message), move('cancel', message));
    }
  }
  if ((starts.includes(from.message) || from.type === 'error') && statuses.some(({ message }) => message === OMITTED)) moves.push(move('omit', OMITTED));
  if ((from.message === INITIAL || from.message === PROCESSING) && statuses.some(isCancelled)) moves.push(move('cancel', CANCELLED));
  // Where there are jobs: a run of scripts has skipped ones, too.
  if (from.message === INITIAL && statuses.some(isCancelled) && statuses.some(({ message }) => message === SKIPPED)) moves.push(move('skip', SKIPPED));
  if (from.message === INITIAL) {
    for (const { message } of statuses) if (message !== INITIAL && message !== PROCESSING) moves.push(move('load', message));
  } else {
    moves.push(move('reset', INITIAL));
    if (from.type === 'error') moves.push(move('retry', INITIAL));
  }
  return moves;
}

const isCancelled = ({ message, type }: Status): boolean => message === CANCELLED && type === 'error';

function build(statuses: readonly Status[], moves: readonly Move[], key: (message: string) => string): AnyStateMachine {
  const base = setup({
    types: { context: {} as Context, events: {} as StatusEvent, input: {} as Partial<Context> },
    guards: {
      prerequisitesMet: ({ context }) => context.unmet === 0,
      leads: ({ context, event }, to: { status: string }) =>
        'status' in event && event.status === to.status && (!('attempt' in event) || event.attempt === context.attempt),
    },
    actions: { countAttempt: assign({ attempt: ({ context }) => context.attempt + 1 }) },
  });
  const states = Object.fromEntries(
    statuses.map(({ message, type }) => [
      key(message),
      { meta: { message, type }, on: transitionsOf(moves.filter((move) => move.from === message), key) },
    ]),
  );
  return base.createMachine({
    id: 'status',
    initial: key(INITIAL),
    context: ({ input }: { input?: Partial<Context> }) => ({ attempt: 0, unmet: 0, ...input }),
    states,
  } as unknown as Parameters<typeof base.createMachine>[0]);
}

function transitionsOf(moves: readonly Move[], key: (message: string) => string): Record<string, object[]> {
  const on: Record<string, object[]> = {};
  for (const { cause, to } of moves) {
    const leaving =
      cause === 'claim'
        ? { target: key(to), guard: 'prerequisitesMet', actions: 'countAttempt' }
        : cause === 'reset' || cause === 'retry'
          ? { target: key(to) }
          : { target: key(to), guard: { type: 'leads', params: { status: to } } };
    (on[cause] ??= []).push(leaving);
  }
  return on;
}
