import type { EntityManager } from '@mikro-orm/postgresql';
import type { RedisStats } from '@bull-board/api/typings/app';
import { keep, type Kept } from '../keep.ts';
import type { Catalogue } from './catalogue.ts';
import { countEntries, type StateCounts } from './entry-counts.ts';
import { flowShape, type FlowShape } from './flow.ts';
import { readBoardSchedules, type BoardSchedule } from './schedules.ts';
import { readDatastore } from './datastore.ts';
import { readThroughput, type Throughputs } from './throughput.ts';
import { countTicks } from './tick-rows.ts';
import { readWorkers, type BoardWorker } from './workers.ts';

/** What all queues of the board share. The board asks every queue for everything every few seconds: one question answers for all. */
export interface Sources {
  em(): EntityManager;
  readonly catalogue: Catalogue;
  readonly flow: FlowShape;
  /** Key: the task's id. */
  readonly entryCounts: Kept<ReadonlyMap<number, StateCounts>>;
  /** Key: the runner's name. */
  readonly tickCounts: Kept<ReadonlyMap<string, StateCounts>>;
  /** Key: the runner's name. */
  readonly schedules: Kept<ReadonlyMap<string, BoardSchedule>>;
  readonly throughput: Kept<Throughputs>;
  readonly workers: Kept<BoardWorker[]>;
  readonly datastore: Kept<RedisStats>;
}

export function createSources(em: () => EntityManager, catalogue: Catalogue): Sources {
  return {
    em,
    catalogue,
    flow: flowShape(catalogue),
    entryCounts: keep(() => countEntries(em(), catalogue)),
    tickCounts: keep(() => countTicks(em())),
    schedules: keep(() => readBoardSchedules(em())),
    throughput: keep(() => readThroughput(em()), 5000),
    workers: keep(() => readWorkers(em())),
    datastore: keep(() => readDatastore(em())),
  };
}
