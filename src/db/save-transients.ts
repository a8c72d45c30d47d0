import type { EntityManager } from '@mikro-orm/postgresql';
import type { TransientFixture } from '../fixtures/fixture.ts';
import { sendBackAffected, type Affected, type Change } from './send-back-affected.ts';

/** What a save did, by name. */
export interface Saved {
  added: string[];
  changed: string[];
  /** How many were there just so. */
  unchanged: number;
  /** Entries that are done again, because they depend on figures that changed; left out where there are none. */
  again?: Affected['again'];
}

/** Everybody who loads fixtures or transients takes this lock first, so that two loads of one name do not meet. */
export const LOAD_LOCK = 7_216_003;

/**
 * To be executed before a statement that moves very many rows. The triggers join old and new rows by a plan that the session
 * keeps from their first call, which may have been for none; for 10,000 rows that plan takes 20 s instead of 0.5 s.
 */
export const FORGET_PLANS = 'discard plans';

// Keeps a statement under some megabytes, whatever the file.
const ROWS_PER_STATEMENT = 10_000;
/** Changed rows from which on a plan for few would hurt. */
const MANY = 100;

/**
 * Adds transients, and changes those whose names are known already; all of them in one transaction. New ones have their
 * entries of the register at once. Figures that a person edited stay as the person said. 10,000 rows are one statement.
 *
 * @param rows with no name twice
 * @param absent what a figure that a row does not know (null) means for a transient that is there already: `cleared` makes it
 *   unknown, as fixtures say all there is to say; `kept` leaves it, with `priority` and the rest of `data`, as it is (for CSV files).
 *   What depends on a figure that a file changed is done again; fixtures, which are loaded at every start, leave what was done
 */
export async function saveTransients(
  em: EntityManager,
  rows: readonly TransientFixture[],
  absent: 'cleared' | 'kept' = 'cleared',
): Promise<Saved> {
  return em.transactional(async (tx) => {
    await tx.execute(`select pg_advisory_xact_lock(${LOAD_LOCK})`);
    const saved: Saved = { added: [], changed: [], unchanged: rows.length };
    for (let start = 0; start < rows.length; start += ROWS_PER_STATEMENT) {
      const given = JSON.stringify(rows.slice(start, start + ROWS_PER_STATEMENT).map(columnsOf));
      await tx.execute(FORGET_PLANS);
      const changes: Change[] = [];
      for (const row of await tx.execute<{ id: string; name: string; is_new: boolean; fields: string[] }[]>(save, [absent === 'kept', given])) {
        saved[row.is_new ? 'added' : 'changed'].push(row.name);
        saved.unchanged--;
        if (!row.is_new && absent === 'kept') changes.push({ subjectId: row.id, fields: row.fields });
      }
      if (changes.length > MANY) await tx.execute(FORGET_PLANS);
      const { again } = await sendBackAffected(tx, changes, 'a file');
      if (again.length > 0) saved.again = [...(saved.again ?? []), ...again];
    }
    return saved;
  });
}

function columnsOf(row: TransientFixture, place: number): Record<string, unknown> {
  return {
    place,
    name: row.name,
    public_timestamp: row.publicTimestamp,
    priority: row.priority,
    data: row.data,
    ra_deg: row.raDeg,
    dec_deg: row.decDeg,
    redshift: row.redshift,
    tns_prefix: row.tnsPrefix,
    tns_id: row.tnsId,
    spectroscopic_class: row.spectroscopicClass,
    photometric_class: row.photometricClass,
    milkyway_dust_reddening: row.milkywayDustReddening,
  };
}

// Of what a person edited, the parts of `data`, each with all that is in it.
const editedData = `coalesce((
                select jsonb_object_agg(key, s.data -> key)
                  from (select distinct split_part(e, '.', 2) as key from unnest(s.edited) e where e like 'data.%') k
                 where s.data -> key is not null), '{}')`;

// Insert what is new, update what differs, leave the rest untouched. New ones get their ids in the order of the file, and
// get them first: PostgreSQL guesses that there are few rows, and would join those it inserts by comparing each with each.
const save = `
with mode as (select ?::boolean as keeps),
given as materialized (
  select g.place, g.name, s.id is null as is_new, t.subject_id is null as is_bare,
         coalesce(s.id, nextval(pg_get_serial_sequence('subject', 'id'))) as id,
         case when 'public_timestamp' = any (s.edited) then s.public_timestamp
              else coalesce(g.public_timestamp, case when keeps then s.public_timestamp end) end as public_timestamp,
         case when keeps or 'priority' = any (s.edited) then coalesce(s.priority, g.priority) else g.priority end as priority,
         case when 'data' = any (s.edited) then s.data
              else case when keeps then coalesce(s.data, '{}') || g.data else g.data end || ${editedData} end as data,
         s.data as old_data, s.public_timestamp as old_public_timestamp, s.priority as old_priority, t as old,
         case when 'position' = any (s.edited) then t.ra_deg else g.ra_deg end as ra_deg,
         case when 'position' = any (s.edited) then t.dec_deg else g.dec_deg end as dec_deg,
         case when 'redshift' = any (s.edited) then t.redshift else coalesce(g.redshift, case when keeps then t.redshift end) end as redshift,
         case when 'tns_prefix' = any (s.edited) then t.tns_prefix else coalesce(g.tns_prefix, case when keeps then t.tns_prefix end) end as tns_prefix,
         case when 'tns_id' = any (s.edited) then t.tns_id else coalesce(g.tns_id, case when keeps then t.tns_id end) end as tns_id,
         case when 'spectroscopic_class' = any (s.edited) then t.spectroscopic_class else coalesce(g.spectroscopic_class, case when keeps then t.spectroscopic_class end) end as spectroscopic_class,
         case when 'photometric_class' = any (s.edited) then t.photometric_class else coalesce(g.photometric_class, case when keeps then t.photometric_class end) end as photometric_class,
         case when 'milkyway_dust_reddening' = any (s.edited) then t.milkyway_dust_reddening else coalesce(g.milkyway_dust_reddening, case when keeps then t.milkyway_dust_reddening end) end as milkyway_dust_reddening
    from mode
   cross join jsonb_to_recordset(?::jsonb) as g(
           place integer, name text, public_timestamp timestamptz, priority integer, data jsonb,
           ra_deg double precision, dec_deg double precision, redshift double precision, tns_prefix text, tns_id bigint,
           spectroscopic_class text, photometric_class text, milkyway_dust_reddening double precision)
    left join subject s on s.kind = 'transient' and s.name = g.name
    left join transient t on t.subject_id = s.id
   order by g.place),
new_subject as (
  insert into subject (id, kind, name, public_timestamp, priority, data)
  overriding system value
  select id, 'transient', name, public_timestamp, priority, data
    from given
   where is_new),
changed_subject as (
  update subject s
     set public_timestamp = g.public_timestamp, priority = g.priority, data = g.data
    from given g
   where s.id = g.id and not g.is_new
     and (s.public_timestamp, s.priority, s.data) is distinct from (g.public_timestamp, g.priority, g.data)
  returning s.id),
new_transient as (
  insert into transient (subject_id, ra_deg, dec_deg, redshift, tns_prefix, tns_id,
                         spectroscopic_class, photometric_class, milkyway_dust_reddening)
  select id, ra_deg, dec_deg, redshift, tns_prefix, tns_id, spectroscopic_class, photometric_class, milkyway_dust_reddening
    from given
   where is_bare),
changed_transient as (
  update transient t
     set ra_deg = g.ra_deg, dec_deg = g.dec_deg, redshift = g.redshift, tns_prefix = g.tns_prefix, tns_id = g.tns_id,
         spectroscopic_class = g.spectroscopic_class, photometric_class = g.photometric_class,
         milkyway_dust_reddening = g.milkyway_dust_reddening
    from given g
   where t.subject_id = g.id and not g.is_bare
     and (t.ra_deg, t.dec_deg, t.redshift, t.tns_prefix, t.tns_id,
          t.spectroscopic_class, t.photometric_class, t.milkyway_dust_reddening)
         is distinct from
         (g.ra_deg, g.dec_deg, g.redshift, g.tns_prefix, g.tns_id,
          g.spectroscopic_class, g.photometric_class, g.milkyway_dust_reddening)
  returning t.subject_id)
select id, name, is_new,
       array_remove(array[
         case when ((old).ra_deg, (old).dec_deg) is distinct from (ra_deg, dec_deg) then 'position' end,
         case when old_public_timestamp is distinct from public_timestamp then 'public_timestamp' end,
         case when old_priority is distinct from priority then 'priority' end,
         case when (old).redshift is distinct from redshift then 'redshift' end,
         case when (old).tns_prefix is distinct from tns_prefix then 'tns_prefix' end,
         case when (old).tns_id is distinct from tns_id then 'tns_id' end,
         case when (old).spectroscopic_class is distinct from spectroscopic_class then 'spectroscopic_class' end,
         case when (old).photometric_class is distinct from photometric_class then 'photometric_class' end,
         case when (old).milkyway_dust_reddening is distinct from milkyway_dust_reddening then 'milkyway_dust_reddening' end], null)
       || array(select 'data.' || key from jsonb_object_keys(old_data || data) as k(key) where old_data -> key is distinct from data -> key) as fields
  from given
 where is_bare or id in (select id from changed_subject union all select subject_id from changed_transient)
 order by place`;
