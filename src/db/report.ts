import type { EntityManager } from '@mikro-orm/postgresql';

/** Where a transient stands as a whole. */
export type TransientState =
  /** Nothing of it has run yet. */
  | 'waiting'
  /** Something runs or can run. */
  | 'processing'
  /** Every entry has a status of type success. */
  | 'completed'
  /** Nothing can run any more, and not everything succeeded. */
  | 'blocked';

/** What a subject is to people: an object of the survey, a job, a run of scripts, a request. */
export type Family = 'transients' | 'jobs' | 'runs' | 'requests';

/** The family of a kind; whatever is no job, run or request is an object like a transient. */
export function familyOf(kind: string): Family {
  if (kind.startsWith('job:')) return 'jobs';
  if (kind.startsWith('run:')) return 'runs';
  return kind === 'request' ? 'requests' : 'transients';
}

/** Counts of one family. */
export interface FamilyReport {
  subjects: number;
  states: Record<TransientState, number>;
  /** Its entries, and how many of them are done: they have a status that is final, or nothing can change them any more. */
  entries: { total: number; done: number; processing: number };
}

/** Counts of one task. */
export interface TaskReport {
  name: string;
  kind: string;
  active: boolean;
  /** Entries by status message; statuses that no entry has are left out. */
  counts: Record<string, number>;
  /** Entries whose prerequisites are met and that wait for a runner. */
  ready: number;
  /** Entries that wait for their prerequisites, or are held. */
  waiting: number;
  /** Entries that did not work out, by what failed: the science, or the machinery around it, as often as its runner lets it. */
  failures: { science: number; machinery: number };
  /** Entries that wait for another attempt after a failure of the machinery. */
  postponed: number;
  /** Entries that a person holds, or whose transient. */
  held: number;
}

/** The whole register in numbers, as `afterglow status --json` prints it. */
export interface StatusReport {
  transients: number;
  states: FamilyReport['states'];
  /** Those of all transients. */
  entries: FamilyReport['entries'];
  /** The other families that there are. */
  others: Partial<Record<Exclude<Family, 'transients'>, FamilyReport>>;
  tasks: TaskReport[];
}

/** Entries of every family together. */
export function allEntries({ entries, others }: Pick<StatusReport, 'entries' | 'others'>): FamilyReport['entries'] {
  const all = [entries, ...Object.values(others).map((family) => family.entries)];
  const sum = (of: keyof FamilyReport['entries']) => all.reduce((total, one) => total + one[of], 0);
  return { total: sum('total'), done: sum('done'), processing: sum('processing') };
}

/** Counts the register. One pass over it: about 0.1 s at a million entries, so callers that poll keep the answer for a while. */
export async function statusReport(em: EntityManager): Promise<StatusReport> {
  const tasks = await em.execute<{ name: string; kind: string; active: boolean; counts: Record<string, number> | null; ready: number; waiting: number; science: number; machinery: number; postponed: number; held: number }[]>(TASKS);
  const families = new Map((await em.execute<FamilyRow[]>(STATES)).map((row) => [row.family, toFamilyReport(row)]));
  const { subjects: transients, ...rest } = families.get('transients') ?? NONE;
  families.delete('transients');
  return {
    transients, ...rest,
    others: Object.fromEntries(families),
    tasks: tasks.map(({ counts, ...task }) => ({
      name: task.name, kind: task.kind, active: task.active, counts: counts ?? {}, ready: Number(task.ready), waiting: Number(task.waiting),
      failures: { science: Number(task.science), machinery: Number(task.machinery) }, postponed: Number(task.postponed), held: Number(task.held),
    })),
  };
}

const TASKS = `
with counted as (
  select r.task_id, r.status_id, count(*) as n,
         count(*) filter (where r.status_id = t.claim_from_id and r.ready and (r.due_at is null or r.dispatched_at is not null)) as ready,
         count(*) filter (where r.status_id = t.claim_from_id and not r.ready) as waiting,
         count(*) filter (where r.failure = 'science') as science,
         count(*) filter (where r.failure = 'machinery' and r.status_id <> t.claim_from_id) as machinery,
         count(*) filter (where r.failure is not null and r.status_id = t.claim_from_id) as postponed,
         count(*) filter (where r.held) as held
    from task_register r
    join task t on t.id = r.task_id
   group by r.task_id, r.status_id)
select t.name, t.kind, t.active, jsonb_object_agg(s.message, c.n order by s.id) filter (where s.id is not null) as counts,
       coalesce(sum(c.ready), 0) as ready, coalesce(sum(c.waiting), 0) as waiting,
       coalesce(sum(c.science), 0) as science, coalesce(sum(c.machinery), 0) as machinery, coalesce(sum(c.postponed), 0) as postponed,
       coalesce(sum(c.held), 0) as held
  from task t
  left join counted c on c.task_id = t.id
  left join status s on s.id = c.status_id
 group by t.id
 order by t.id`;

type FamilyRow = Record<TransientState | 'subjects' | 'total' | 'done' | 'running', string> & { family: Family };

const NONE: FamilyReport = { subjects: 0, states: { waiting: 0, processing: 0, completed: 0, blocked: 0 }, entries: { total: 0, done: 0, processing: 0 } };

function toFamilyReport({ family: _family, ...counts }: FamilyRow): FamilyReport {
  const [waiting, processing, completed, blocked] = [counts.waiting, counts.processing, counts.completed, counts.blocked].map(Number) as [number, number, number, number];
  return {
    subjects: Number(counts.subjects), states: { waiting, processing, completed, blocked },
    entries: { total: Number(counts.total), done: Number(counts.done), processing: Number(counts.running) },
  };
}

// A subject without a task has no state, but is there.
const STATES = `
select case when u.kind like 'job:%' then 'jobs' when u.kind like 'run:%' then 'runs' when u.kind = 'request' then 'requests' else 'transients' end as family,
       count(*) as subjects,
       count(*) filter (where s.state = 'waiting') as waiting, count(*) filter (where s.state = 'processing') as processing,
       count(*) filter (where s.state = 'completed') as completed, count(*) filter (where s.state = 'blocked') as blocked,
       coalesce(sum(s.total), 0) as total, coalesce(sum(s.done), 0) as done, coalesce(sum(s.running), 0) as running
  from subject u
  left join subject_state s on s.subject_id = u.id
 group by 1`;
