import type { EntityManager } from '@mikro-orm/postgresql';
import type { BoardTask, Catalogue } from './catalogue.ts';
import { statusState, type JobStateName, type StatusState } from './job-state.ts';

/**
 * The subjects of one task whose entries are in one state, a page of them: those that wait for a free place in the order that they
 * will be claimed in, delayed ones with the next due first, all others with the last changed first.
 *
 * @param start 0 for the first
 * @returns ids of subjects
 */
export async function entryPage(em: EntityManager, task: BoardTask, { statuses }: Catalogue, state: JobStateName, start: number, count: number): Promise<string[]> {
  const ids = (wanted: StatusState) => [...statuses].filter(([id, status]) => statusState(task, id, status) === wanted).map(([id]) => id);
  if (state === 'waiting' || state === 'delayed') {
    const rows = await em.execute<SubjectId[]>(state === 'waiting' ? waitingSql(task.claimFromId) : delayedSql(task.claimFromId), [task.id, count, start]);
    return rows.map((row) => row.subject_id);
  }
  if (state !== 'waiting-children') return lastChanged(em, task, ids(state), '', start, count);
  const untouched = ids('untouched');
  const filter = untouched.length === 0 ? 'and not r.ready' : `and (not r.ready or r.status_id in (${untouched.map(Number).join()}))`;
  return lastChanged(em, task, [task.claimFromId, ...untouched], filter, start, count);
}

/** The subjects whose entries changed last, whatever they are. */
export async function latestEntries(em: EntityManager, task: BoardTask, { statuses }: Catalogue, count: number): Promise<string[]> {
  return lastChanged(em, task, [...statuses.keys()], '', 0, count);
}

interface SubjectId {
  subject_id: string;
}

async function lastChanged(em: EntityManager, task: BoardTask, statusIds: readonly number[], filter: string, start: number, count: number): Promise<string[]> {
  const rows = await em.execute<SubjectId[]>(lastChangedSql(filter), [`{${statusIds.join()}}`, task.id, start + count, task.id, start + count, start, count]);
  return rows.map((row) => row.subject_id);
}

// One range of the index (task_id, status_id, last_modified) for each status, then the newest of all: the index itself is only
// in this order within one status, and what runs has an index of its own. Entries that one statement wrote share a time, so the subject decides.
const lastChangedSql = (filter: string) => `
select c.subject_id
  from unnest(?::smallint[]) as wanted(id)
 cross join lateral (
       (select r.subject_id, r.last_modified
          from task_register r
         where r.task_id = ? and r.status_id = wanted.id and r.status_id <> 2 ${filter}
         order by r.last_modified desc, r.subject_id desc
         limit ?)
        union all
       (select r.subject_id, r.last_modified
          from task_register r
         where wanted.id = 2 and r.task_id = ? and r.status_id = 2 ${filter}
         order by r.last_modified desc, r.subject_id desc
         limit ?)) c
 order by c.last_modified desc, c.subject_id desc
offset ? limit ?`;

// As in the claim: a partial index is only used for literals.
const waitingSql = (claimFromId: number) => `
select r.subject_id
  from task_register r
 where r.task_id = ? and r.status_id = ${Number(claimFromId)} and r.ready and r.due_at is null
 order by r.public_timestamp, r.priority desc, r.subject_id
 limit ? offset ?`;

const delayedSql = (claimFromId: number) => `
select r.subject_id
  from task_register r
 where r.due_at is not null and r.task_id = ? and r.status_id = ${Number(claimFromId)} and r.ready
 order by r.due_at, r.subject_id
 limit ? offset ?`;
