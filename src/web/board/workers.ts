import type { EntityManager } from '@mikro-orm/postgresql';
import type { QueueWorker } from '@bull-board/api/typings/app';

/** A daemon that has been silent for longer counts as gone, seconds. */
const SILENT_SECONDS = 60;

/** The daemons that are alive; every one of them works on every task. */
export async function readWorkers(em: EntityManager): Promise<QueueWorker[]> {
  const rows = await em.execute<{ id: number; host: string; pid: number; version: string; age: string }[]>(
    `
select id, host, pid, version, extract(epoch from now() - started_at)::bigint as age
  from daemon
 where stopped_at is null and heartbeat_at > now() - ? * interval '1 second'
 order by id`,
    [SILENT_SECONDS],
  );
  return rows.map(({ id, host, pid, version, age }) => ({ id: String(id), name: `daemon ${id} (Afterglow ${version})`, addr: `${host}:${pid}`, age: Number(age) }));
}
