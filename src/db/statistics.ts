import type { EntityManager } from '@mikro-orm/postgresql';

/**
 * Has PostgreSQL look at the register anew where it has grown much since it last did. After a big load it would else take
 * the register for small until autovacuum comes by, and sort all entries of a task at every claim.
 *
 * @returns whether it looked; it costs a fraction of a second at any size
 */
export async function refreshStatistics(em: EntityManager): Promise<boolean> {
  const [row] = await em.execute<{ stale: boolean }[]>(
    `select pg_relation_size(oid) / current_setting('block_size')::integer > relpages * 1.2 + 100 as stale from pg_class where oid = 'task_register'::regclass`,
  );
  if (row?.stale !== true) return false;
  await em.execute(`analyze task_register`);
  return true;
}
