import type { EntityManager } from '@mikro-orm/postgresql';

/** How many objects of a kind were in each state at one moment; those without any task are in `total` alone. */
export interface StateCount {
  kind: string;
  at: Date;
  total: number;
  completed: number;
  processing: number;
  waiting: number;
  blocked: number;
}

/**
 * Keeps how many objects of each kind are in each state now. While nothing changes, the last row's time moves on, so that a flat stretch is two
 * rows, its ends. Jobs and runs are no objects.
 *
 * @returns what was counted
 */
export async function recordStates(em: EntityManager): Promise<StateCount[]> {
  return (await em.execute<Row[]>(RECORD)).map(toCount);
}

/** What is wanted of the counts that were kept. */
export interface CountRange {
  kind?: string | undefined;
  since?: Date | undefined;
  /** At most about so many moments of each kind: of those that are near to each other, the last. All where it is left out. */
  points?: number;
}

/** The counts that were kept, by kind, oldest first. */
export async function readStateCounts(em: EntityManager, { kind, since, points }: CountRange = {}): Promise<StateCount[]> {
  const params = [kind ?? null, since?.toISOString() ?? '-infinity'];
  const rows = await em.execute<Row[]>(points === undefined ? `${READ} order by kind, at` : THINNED.replace('$READ', READ), points === undefined ? params : [...params, points]);
  return rows.map(toCount);
}

interface Row extends Omit<StateCount, 'at'> {
  at: string | Date;
}

const toCount = ({ at, ...row }: Row): StateCount => ({ ...row, at: new Date(at) });

const COLUMNS = 'total, completed, processing, waiting, blocked';

const RECORD = `
with counted as materialized (
  select k.kind, coalesce(c.total, 0) as total, coalesce(c.completed, 0) as completed, coalesce(c.processing, 0) as processing, coalesce(c.waiting, 0) as waiting, coalesce(c.blocked, 0) as blocked
    from (select distinct kind from task where kind <> 'system' and kind !~ '^(job|run):') k
    left join (
      select s.kind, count(*)::integer as total, (count(*) filter (where v.state = 'completed'))::integer as completed, (count(*) filter (where v.state = 'processing'))::integer as processing,
             (count(*) filter (where v.state = 'waiting'))::integer as waiting, (count(*) filter (where v.state = 'blocked'))::integer as blocked
        from subject s
        left join subject_state v on v.subject_id = s.id
       where s.kind !~ '^(job|run):'
       group by s.kind) c on c.kind = k.kind),
before as materialized (
  select n.kind, count(*) as rows, max(l.at) as at, count(*) filter (where (l.total, l.completed, l.processing, l.waiting, l.blocked) = (n.total, n.completed, n.processing, n.waiting, n.blocked)) as same
    from counted n
   cross join lateral (select at, ${COLUMNS} from state_count c where c.kind = n.kind order by at desc limit 2) l
   group by n.kind),
lasting as (
  update state_count c set at = clock_timestamp() from before b where c.kind = b.kind and c.at = b.at and b.same = 2),
added as (
  insert into state_count (kind, at, ${COLUMNS})
  select kind, clock_timestamp(), ${COLUMNS}
    from counted n
   where not exists (select from before b where b.kind = n.kind and b.same = 2)
     and (n.total > 0 or exists (select from before b where b.kind = n.kind)))
select kind, clock_timestamp() as at, ${COLUMNS} from counted order by kind`;

const READ = `select kind, at, ${COLUMNS} from state_count where kind = coalesce(?, kind) and at >= ?::timestamptz`;

const THINNED = `
with chosen as (select *, min(at) over (partition by kind) as first_at, max(at) over (partition by kind) as last_at from ($READ) r),
placed as (
  select *, case when last_at = first_at then 0 else floor(extract(epoch from at - first_at) / extract(epoch from last_at - first_at) * ?) end as place from chosen)
select distinct on (kind, place) kind, at, ${COLUMNS} from placed order by kind, place, at desc`;
