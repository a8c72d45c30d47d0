import type { EntityManager } from '@mikro-orm/postgresql';
import type { DatabaseAddress } from '../../src/db/database.ts';
import { nameOf, type BenchServer } from '../server.ts';

/** Where the transients stand in a task, in SQL, for a transient `n` (1, 2, …). */
export interface FilledTask {
  id: number;
  /** A condition: is it processed? Else it has its first status. */
  done: string;
  /** A number: how many of its prerequisites do not hold. */
  unmet: string;
}

/** A new database that makes large indexes quickly. */
export async function roomyDatabase(server: BenchServer): Promise<DatabaseAddress> {
  const address = await server.create();
  await server.admin.query(`alter database ${nameOf(address)} set maintenance_work_mem = '512MB'`);
  return address;
}

/**
 * Fills a register inside the database: triggers are off and indexes absent meanwhile, then all are as a daemon would find them, vacuumed
 * and with statistics. The order of discovery has nothing to do with the order on disk.
 *
 * @param processedId of the status of what is done
 */
export async function fillRegister(em: EntityManager, transients: number, processedId: number, tasks: readonly FilledTask[]): Promise<void> {
  await em.execute(`alter table subject disable trigger user`);
  await em.execute(insertSubjects, [transients]);
  await em.execute(`insert into transient (subject_id, ra_deg, dec_deg, redshift) select n, n % 360, n % 90, 0.05 from generate_series(1, ?::integer) n`, [transients]);
  await em.execute(`alter table subject enable trigger user`);
  const restore = await dropIndexes(em);
  await em.execute(insertEntries(tasks, processedId));
  for (const statement of restore) await em.execute(statement);
  await em.execute('vacuum (freeze, analyze)');
}

// Ten years of discoveries, in an order that is not the order on disk.
const insertSubjects = `
insert into subject (id, kind, name, public_timestamp) overriding system value
select n, 'transient', 'bench' || n, timestamptz '2015-01-01' + (hashint4(n)::bigint & 268435455) * interval '1 second'
  from generate_series(1, ?::integer) n`;

function insertEntries(tasks: readonly FilledTask[], processedId: number): string {
  const entries = tasks.map(({ id, done, unmet }) => `(${id}, case when ${done} then ${processedId} else 1 end, ${unmet})`);
  return `
insert into task_register (subject_id, task_id, status_id, unmet, attempt, public_timestamp)
select s.id, e.task_id, e.status_id, e.unmet, (e.status_id <> 1)::integer, s.public_timestamp
  from subject s
 cross join lateral (select s.id as n) as row
 cross join lateral (values ${entries.join(',\n')}) as e(task_id, status_id, unmet)`;
}

/** Takes the register's constraints and indexes away. @returns the statements that bring them back */
async function dropIndexes(em: EntityManager): Promise<string[]> {
  const constraints = await em.execute<{ name: string; definition: string }[]>(
    `select conname as name, pg_get_constraintdef(oid) as definition from pg_constraint
      where conrelid = 'task_register'::regclass and contype in ('p', 'f') order by contype desc`,
  );
  const indexes = await em.execute<{ name: string; definition: string }[]>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
      where indrelid = 'task_register'::regclass and not indisprimary`,
  );
  for (const { name } of constraints) await em.execute(`alter table task_register drop constraint ${name}`);
  for (const { name } of indexes) await em.execute(`drop index ${name}`);
  return [
    ...constraints.map(({ name, definition }) => `alter table task_register add constraint ${name} ${definition}`),
    ...indexes.map(({ definition }) => definition),
  ];
}
