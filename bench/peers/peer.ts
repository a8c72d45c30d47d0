import type { DatabaseAddress } from '../../src/db/database.ts';

/** One piece of work: a task of an object. Where there is no graph, the task is 1. */
export interface Item {
  subject: number;
  task: number;
}

/** Where a peer keeps its things. */
export interface PeerPlace {
  /** A database of its own; for pipelines with the status table in it. */
  address: DatabaseAddress;
  /** The unix socket of a Redis, for those who need one. */
  redisSocket: string | undefined;
}

/** A system that we measure ourselves against. */
export interface Peer {
  /** Short, as the tables show it. */
  name: string;
  /** The package and its exact version. */
  version: string;
  /** How it is set up here, and what of its documentation says so: sentences of Markdown. */
  setUp: string;
  /** Whether it needs a redis-server. */
  needsRedis: boolean;
  /** Makes what it needs in its place, which is empty before, and connects. */
  open(place: PeerPlace, concurrency: number): Promise<OpenPeer>;
}

/** A peer that is connected. */
export interface OpenPeer {
  /** Enqueues items, as many at once as it takes. */
  add(items: readonly Item[]): Promise<void>;
  /** Begins to work on a queue without a graph: `run` is called for each item. */
  work(run: Run): Promise<void>;
  /** Begins to work on the status table's graph: `run`, then the item's new status is written and what became ready is enqueued. */
  workGraph(run: Run): Promise<void>;
  /** Whether it has items that are not recorded as done. */
  hasLeft(): Promise<boolean>;
  close(): Promise<void>;
}

/** What is done for an item; whoever measures counts its calls. */
export type Run = (item: Item) => Promise<void> | void;
