import type { Flow } from '../runner/flow.ts';

/** A checkpoint that a runner said. */
export interface SaidCheckpoint {
  name: string;
  at: Date;
  /** The object or the job that it was said of, and its task. */
  subject: string;
  task: string;
  attempt: number;
}

/** How far a flow has come. */
export interface FlowReport {
  /** The name of what was declared of it; undefined where no declared flow begins like this. */
  flow: string | undefined;
  /** `open`: none of its ends was said. The last one that was said counts, as what failed may have been done again. */
  state: 'open' | 'success' | 'failure';
  begunAt: Date | undefined;
  endedAt: Date | undefined;
  /** From its beginning to its end; undefined while it is open. */
  seconds: number | undefined;
  /** Each checkpoint once, in the order in which they were first said. */
  steps: FlowStep[];
  spans: FlowSpan[];
}

export interface FlowStep extends SaidCheckpoint {
  /** How often it was said. */
  times: number;
  /** Since the beginning, and since the step before; the first step's are 0. */
  sinceBeginSeconds: number;
  sinceLastSeconds: number;
}

/** A stretch of a flow. */
export interface FlowSpan {
  name: string;
  from: string;
  to: string;
  /** From the first time that its beginning was said to the first time after that that its end was; undefined where that was not. */
  seconds: number | undefined;
}

/**
 * Makes of the checkpoints of one flow how far it is and how long what took. They may have been said in any order, and again and again.
 *
 * @param said in any order
 * @param flows what is declared; the one whose beginning was said first is meant
 */
export function flowReport(said: readonly SaidCheckpoint[], flows: readonly Flow[]): FlowReport {
  const inOrder = said.toSorted((one, other) => one.at.getTime() - other.at.getTime());
  const first = (name: string, since = -Infinity) => inOrder.find((point) => point.name === name && point.at.getTime() >= since);
  const flow = flows.filter(({ begin }) => first(begin) !== undefined).toSorted((one, other) => first(one.begin)!.at.getTime() - first(other.begin)!.at.getTime())[0]
    ?? flows.find(({ success, failure = [] }) => [...success, ...failure].some((name) => first(name) !== undefined));
  const end = flow && inOrder.findLast(({ name }) => isEnd(flow, name));
  const begunAt = (flow === undefined ? undefined : first(flow.begin)?.at) ?? inOrder[0]?.at;
  return {
    flow: flow?.name,
    state: end === undefined ? 'open' : flow!.success.includes(end.name) ? 'success' : 'failure',
    begunAt,
    endedAt: end?.at,
    seconds: end === undefined ? undefined : secondsBetween(begunAt!, end.at),
    steps: steps(inOrder, begunAt),
    spans: Object.entries(flow?.spans ?? {}).map(([name, [from, to]]) => {
      const begun = first(from);
      const ended = begun && first(to, begun.at.getTime());
      return { name, from, to, seconds: ended && secondsBetween(begun!.at, ended.at) };
    }),
  };
}

const isEnd = ({ success, failure = [] }: Flow, name: string): boolean => success.includes(name) || failure.includes(name);

function steps(inOrder: readonly SaidCheckpoint[], begunAt: Date | undefined): FlowStep[] {
  const found: FlowStep[] = [];
  for (const point of inOrder) {
    const known = found.find(({ name }) => name === point.name);
    if (known !== undefined) known.times += 1;
    else found.push({ ...point, times: 1, sinceBeginSeconds: secondsBetween(begunAt!, point.at), sinceLastSeconds: secondsBetween(found.at(-1)?.at ?? point.at, point.at) });
  }
  return found;
}

const secondsBetween = (from: Date, to: Date): number => (to.getTime() - from.getTime()) / 1000;
