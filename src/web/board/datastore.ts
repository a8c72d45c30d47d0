import type { EntityManager } from '@mikro-orm/postgresql';
import type { RedisStats } from '@bull-board/api/typings/app';

/** What the board says about PostgreSQL. */
export async function readDatastore(em: EntityManager): Promise<RedisStats> {
  const [row] = await em.execute<{ version: string; port: string; uptime: string; connected: string; blocked: string }[]>(`
select split_part(current_setting('server_version'), ' ', 1) as version, current_setting('port') as port,
       extract(epoch from now() - pg_postmaster_start_time())::bigint as uptime,
       (select count(*) from pg_stat_activity where datname = current_database()) as connected,
       (select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock') as blocked`);
  return {
    backend: 'postgres',
    version: row?.version ?? '',
    port: Number(row?.port ?? 0),
    uptime: Number(row?.uptime ?? 0),
    clients: { connected: Number(row?.connected ?? 0), blocked: Number(row?.blocked ?? 0) },
  };
}
