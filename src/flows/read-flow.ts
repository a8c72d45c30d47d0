import type { EntityManager } from '@mikro-orm/postgresql';
import { RefusedError, UnknownNameError } from '../errors.ts';
import type { Flow } from '../runner/flow.ts';
import { flowReport, type FlowReport, type SaidCheckpoint } from './flow-report.ts';

/** A flow as it is read. */
export interface ReadFlow extends FlowReport {
  /** Names of the objects or jobs that belong to it, the first one first. */
  subjects: readonly string[];
}

/** Jobs of one flow that are looked at. */
const MOST_SUBJECTS = 10_000;

/**
 * Reads the flow of an object, or of a job with all jobs that hang together with it by parents.
 *
 * @param name of the object; or the job's number, `#17`, where an object has the same name
 * @throws {UnknownNameError} there is no such object and no such job
 * @throws {RefusedError} several objects of different kinds have the name
 */
export async function readFlow(em: EntityManager, name: string, flows: readonly Flow[]): Promise<ReadFlow> {
  const found = await em.execute<{ id: string; kind: string }[]>(`select id, kind from subject where name = ? and (? or kind like 'job:%')`, [name.replace(/^#/, ''), !name.startsWith('#')]);
  if (found.length === 0) throw new UnknownNameError('object or job', name, []);
  if (found.length > 1) throw new RefusedError(`Several have the name "${name}": ${found.map(({ kind }) => kind).join(', ')}.${found.some(({ kind }) => kind.startsWith('job:')) ? ` "#${name}" means the job.` : ''}`);
  const rows = await em.execute<{ id: string; name: string; said: (Omit<SaidCheckpoint, 'at' | 'subject'> & { at: string })[] | null }[]>(FLOW, [found[0]!.id, MOST_SUBJECTS]);
  const said = rows.flatMap((row) => (row.said ?? []).map((point): SaidCheckpoint => ({ ...point, at: new Date(point.at), subject: row.name })));
  return { subjects: rows.map((row) => row.name), ...flowReport(said, flows) };
}

// Parents and children, and theirs. A set, so that jobs of which several wait for several are met once.
const FLOW = `
with recursive flow as (
  select ?::bigint as id
  union
  select case when p.job_id = f.id then p.parent_id else p.job_id end
    from flow f
    join job_parent p on f.id in (p.job_id, p.parent_id))
select s.id, s.name,
       (select jsonb_agg(jsonb_build_object('name', c.name, 'at', c.at, 'task', t.name, 'attempt', c.attempt) order by c.id)
          from checkpoint c join task t on t.id = c.task_id where c.subject_id = s.id) as said
  from (select id from flow order by id limit ?) f
  join subject s on s.id = f.id
 order by s.id`;
