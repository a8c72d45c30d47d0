import type { EntityManager } from '@mikro-orm/postgresql';
import type { ResourceFixture } from '../fixtures/fixture.ts';
import type { Saved } from './save-transients.ts';
import { savedOf } from './saved-of.ts';

/** Adds the resources that are new and changes those that differ. How their breakers stand is left as it is. */
export async function saveResources(tx: EntityManager, resources: readonly ResourceFixture[]): Promise<Saved> {
  const rows = resources.map(({ name, description, concurrency, perMinute, breaker }, place) => ({
    place, name, description, concurrency, per_minute: perMinute,
    failures_to_open: breaker.failures, cool_seconds: breaker.coolSeconds, longest_cool_seconds: breaker.longestCoolSeconds,
  }));
  return savedOf(await tx.execute(saveResource, [JSON.stringify(rows)]), rows.length);
}

/**
 * Removes the resources that the fixtures no longer have, unless a task uses them: its runner may be another daemon's, with
 * fixtures of its own. Entries that wait for a removed one wait no more.
 *
 * @returns names of what was removed, and of what is kept
 */
export async function removeAbsentResources(tx: EntityManager, resources: readonly ResourceFixture[]): Promise<{ removed: string[]; kept: string[] }> {
  const absent = await tx.execute<{ name: string; is_used: boolean }[]>(absentResources, [JSON.stringify(resources.map(({ name }) => name))]);
  const named = (isUsed: boolean) => absent.filter((row) => row.is_used === isUsed).map(({ name }) => name);
  const removed = named(false);
  if (removed.length > 0) {
    await tx.execute(`delete from resource where name in (select jsonb_array_elements_text(?::jsonb))`, [JSON.stringify(removed)]);
    await tx.execute(releaseWaiting, [JSON.stringify(removed)]);
  }
  return { removed, kept: named(true) };
}

const saveResource = `
with given as (
  select * from jsonb_to_recordset(?::jsonb) as g(
    place integer, name text, description text, concurrency integer, per_minute integer, failures_to_open integer,
    cool_seconds double precision, longest_cool_seconds double precision)),
changed as (
  update resource r
     set description = g.description, concurrency = g.concurrency, per_minute = g.per_minute,
         failures_to_open = g.failures_to_open, cool_seconds = g.cool_seconds, longest_cool_seconds = g.longest_cool_seconds
    from given g
   where r.name = g.name
     and (r.description, r.concurrency, r.per_minute, r.failures_to_open, r.cool_seconds, r.longest_cool_seconds)
         is distinct from (g.description, g.concurrency, g.per_minute, g.failures_to_open, g.cool_seconds, g.longest_cool_seconds)
  returning r.name),
added as (
  insert into resource (name, description, concurrency, per_minute, failures_to_open, cool_seconds, longest_cool_seconds)
  select name, description, concurrency, per_minute, failures_to_open, cool_seconds, longest_cool_seconds
    from given g
   where not exists (select from resource r where r.name = g.name)
   order by place
  returning name)
select name, true as is_new from added
union all
select name, false from changed`;

const absentResources = `
select r.name, exists (select from task_use u where u.resource = r.name) as is_used
  from resource r
 where r.name not in (select jsonb_array_elements_text(?::jsonb))
 order by r.name`;

const releaseWaiting = `
with released as (
  update task_register
     set due_at = null, waits_for = null
   where due_at is not null and waits_for in (select jsonb_array_elements_text(?::jsonb))
  returning task_id)
select pg_notify('afterglow_ready', task_id::text) from (select distinct task_id from released) woken`;
