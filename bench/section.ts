import type { RedisServer } from './peers/redis-server.ts';
import type { BenchServer } from './server.ts';
import type { Table } from './table.ts';

/** What a part of the benchmarks gets. */
export interface Bench {
  server: BenchServer;
  /** A Redis for those who need one; undefined where the machine has none. */
  redis: RedisServer | undefined;
  /** Objects in the pipeline, if somebody asked for a number. */
  objects: number | undefined;
  /** Sizes of the register to measure at, ascending. */
  transients: readonly number[];
  /** Small sizes and few rounds, to see that it works. */
  quick: boolean;
  /** Fires when the benchmarks are told to stop. */
  signal: AbortSignal;
  /** Says on standard error what goes on. */
  progress: (line: string) => void;
}

/** What a part found out. */
export interface Section {
  title: string;
  /** How it was measured: paragraphs of Markdown. */
  method: readonly string[];
  tables: readonly Table[];
  ratios: readonly Ratio[];
  /** Figures of this machine that have a goal. */
  figures?: readonly Figure[];
  /** What the figures do not show, and where we lose. */
  limits: readonly string[];
}

/** A figure that can be compared between machines, as both its halves were measured side by side. */
export interface Ratio {
  what: string;
  ratio: number;
  goal?: Goal;
}

/** A figure in units of its own; `what` says in which. */
export interface Figure {
  what: string;
  figure: number;
  goal?: Goal;
}

/** What we want a figure to be. */
export type Goal = { atLeast: number } | { atMost: number };

/** Whether a figure is what we want it to be. */
export function reaches(figure: number, goal: Goal): boolean {
  return 'atLeast' in goal ? figure >= goal.atLeast : figure <= goal.atMost;
}
