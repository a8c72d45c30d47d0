import type { EntityManager } from '@mikro-orm/postgresql';
import { loadFixtures } from '../src/db/load-fixtures.ts';
import { syncGraph } from '../src/db/sync-graph.ts';
import type { EngineTask } from '../src/engine/engine-options.ts';
import type { TaskFixture } from '../src/fixtures/fixture.ts';
import type { SubjectTaskRunner } from '../src/runner/runner.ts';
import { createStatusMachine, type StatusMachine } from '../src/status/machine.ts';
import { INITIAL, type Status } from '../src/status/status.ts';

/** Statuses, tasks and runners that a database is to know. */
export interface Graph {
  statuses: readonly Status[];
  tasks: readonly TaskFixture[];
  runners: readonly SubjectTaskRunner<unknown>[];
}

/** A graph as the database knows it: what an engine needs. */
export interface StoredGraph {
  machine: StatusMachine;
  /** Status message → id. */
  statusIds: ReadonlyMap<string, number>;
  tasks: readonly EngineTask[];
}

/** Writes the graph as a daemon's start does, without objects. */
export async function storeGraph(em: EntityManager, { statuses, tasks, runners }: Graph): Promise<StoredGraph> {
  const machine = createStatusMachine(statuses);
  await loadFixtures(em, { statuses, tasks, resources: [], transients: [], entries: [] }, { sync: (tx) => syncGraph(tx, machine, runners) });
  return readGraph(em, { statuses, tasks, runners });
}

/** What {@link storeGraph} wrote, for a copy of its database. */
export async function readGraph(em: EntityManager, { statuses, runners }: Graph): Promise<StoredGraph> {
  const statusRows = await em.execute<{ id: number; message: string }[]>(`select id, message from status`);
  const taskRows = await em.execute<{ id: number; name: string; kind: string; claim_from_id: number }[]>(`select id, name, kind, claim_from_id from task order by id`);
  return {
    machine: createStatusMachine(statuses),
    statusIds: new Map(statusRows.map(({ id, message }) => [message, id])),
    tasks: taskRows.map(({ id, name, kind, claim_from_id }) => ({
      id,
      name,
      kind,
      claimFrom: INITIAL,
      claimFromId: claim_from_id,
      timeLimitSeconds: null,
      runner: runners.find(({ taskName }) => taskName === name)!,
    })),
  };
}

/** Adds so many transients; the trigger gives them their entries. */
export async function addTransients(em: EntityManager, count: number): Promise<void> {
  await em.transactional(async (tx) => {
    await tx.execute(
      `insert into subject (kind, name, public_timestamp)
       select 'transient', 'bench' || n, timestamptz '2015-01-01' + n * interval '1 minute' from generate_series(1, ?::integer) n`,
      [count],
    );
    await tx.execute(
      `insert into transient (subject_id, ra_deg, dec_deg, redshift)
       select id, id % 360, id % 90, 0.05 from subject where kind = 'transient'`,
    );
  });
}
