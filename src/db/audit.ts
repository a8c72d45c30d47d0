import type { EntityManager } from '@mikro-orm/postgresql';
import { JOB_WAITS } from './job-waits.ts';

/** A rule that must hold for every row, and the rows that break it. */
export interface AuditFinding {
  /** What must hold, as a sentence. */
  rule: string;
  /** How many rows break it. */
  count: number;
  /** Some of them, at most {@link EXAMPLES}, as people name them. */
  examples: readonly string[];
}

/** What an audit looked at and found. */
export interface Audit {
  /** Entries of the register. */
  entries: number;
  rules: number;
  findings: readonly AuditFinding[];
}

/** Examples of one finding at most. */
const EXAMPLES = 5;
/** Care is taken every few seconds, so what is late by this much, seconds, is being taken care of by nobody. */
const LATE_SECONDS = 120;

/**
 * Proves on the live database that the rules hold which the rest relies on. Each rule is one `select`; together they read the
 * register, the attempts and the transitions a few times, so at a million objects this takes minutes and belongs into the night.
 *
 * A rule is asked twice before it counts as broken, some time apart: entries move while they are looked at.
 *
 * @param again waits between the two times; gives the same rows time to settle
 */
export async function auditRegister(em: EntityManager, again: () => Promise<void>): Promise<Audit> {
  const suspects = new Map<string, Row[]>();
  for (const [rule, sql] of Object.entries(RULES)) {
    const rows = await em.execute<Row[]>(sql);
    if (rows.length > 0) suspects.set(rule, rows);
  }
  const findings: AuditFinding[] = [];
  if (suspects.size > 0) await again();
  for (const [rule, before] of suspects) {
    const known = new Set(before.map(({ what }) => what));
    const rows = (await em.execute<Row[]>(RULES[rule as keyof typeof RULES])).filter(({ what }) => known.has(what));
    if (rows.length > 0) findings.push({ rule, count: rows.length, examples: rows.slice(0, EXAMPLES).map(({ what }) => what) });
  }
  const [entries] = await em.execute<[{ count: string }]>(`select count(*) as count from task_register`);
  return { entries: Number(entries.count), rules: Object.keys(RULES).length, findings };
}

interface Row {
  /** Which row, and what is wrong with it. */
  what: string;
}

/** `"Host match" of 2010ag: …`. */
const entry = (detail: string) => `'"' || t.name || '" of ' || s.name || ': ' || ${detail} as what`;
const NAMES = `join task t on t.id = r.task_id join subject s on s.id = r.subject_id`;

const RULES = {
  'Every entry counts the prerequisites that are not met, and the jobs that it waits for.': `
    select ${entry(`'counts ' || r.unmet || ', there are ' || w.wanted`)}
      from task_register r ${NAMES}
      join (select r2.subject_id, r2.task_id, coalesce(n.prerequisites, 0) - count(*) filter (where p.status_id = q.status_id) + coalesce(max(j.waits), 0) as wanted
              from task_register r2
              left join (${JOB_WAITS}) j on j.subject_id = r2.subject_id and j.task_id = r2.task_id
              left join (select task_id, count(distinct prerequisite_id) as prerequisites from task_requirement group by task_id) n on n.task_id = r2.task_id
              left join task_requirement q on q.task_id = r2.task_id
              left join task_register p on p.subject_id = r2.subject_id and p.task_id = q.prerequisite_id
             group by r2.subject_id, r2.task_id, n.prerequisites) w on w.subject_id = r.subject_id and w.task_id = r.task_id
     where r.unmet <> w.wanted`,
  'The last transition of an entry leads to its status.': `
    select ${entry(`'the log leads to status ' || l.to_id || ', it has ' || r.status_id`)}
      from task_register r ${NAMES}
      join (select distinct on (subject_id, task_id) subject_id, task_id, to_id from transition order by subject_id, task_id, id desc) l
        on l.subject_id = r.subject_id and l.task_id = r.task_id
     where l.to_id <> r.status_id`,
  'Every transition of an entry begins where the one before it led.': `
    select ${entry(`'transition ' || r.id || ' begins at status ' || r.from_id || ', the one before led to ' || r.before`)}
      from (select *, lag(to_id) over (partition by subject_id, task_id order by id) as before from transition) r ${NAMES}
     where r.before <> r.from_id`,
  'An entry that nothing has happened to is not processed, and has no attempt.': `
    select ${entry(`'it has status ' || r.status_id || ' and ' || r.attempt || ' attempts, and the log knows nothing of it'`)}
      from task_register r ${NAMES}
     where (r.status_id <> 1 or r.attempt > 0)
       and not exists (select from transition x where x.subject_id = r.subject_id and x.task_id = r.task_id)
       and not exists (select from attempt a where a.subject_id = r.subject_id and a.task_id = r.task_id and a.ended_at is not null)`,
  'What is processing has a lease, and an attempt of its number that runs.': `
    select ${entry(`'attempt ' || r.attempt || ' is ' || coalesce(a.outcome, 'missing') || case when r.lease_until is null then ', without a lease' else '' end`)}
      from task_register r ${NAMES}
      left join attempt a on a.subject_id = r.subject_id and a.task_id = r.task_id and a.attempt = r.attempt
     where r.status_id = 2 and (a.outcome is distinct from 'running' or r.lease_until is null or r.lease_owner is null)`,
  'What is not processing has no lease.': `
    select ${entry(`'daemon ' || coalesce(r.lease_owner::text, '?') || ' has a lease until ' || coalesce(r.lease_until::text, '?')`)}
      from task_register r ${NAMES}
     where r.status_id <> 2 and (r.lease_owner is not null or r.lease_until is not null)`,
  'An attempt that runs is the last of an entry that is processing.': `
    select ${entry(`'attempt ' || a.attempt || ' runs, the entry is on attempt ' || r.attempt || ' with status ' || r.status_id`)}
      from attempt a
      join task_register r on r.subject_id = a.subject_id and r.task_id = a.task_id ${NAMES}
     where a.outcome = 'running' and (r.status_id <> 2 or r.attempt <> a.attempt)`,
  'No attempt has a number that its entry has not reached.': `
    select ${entry(`'attempt ' || a.attempt || ', the entry has reached ' || r.attempt`)}
      from attempt a
      join task_register r on r.subject_id = a.subject_id and r.task_id = a.task_id ${NAMES}
     where a.attempt > r.attempt`,
  'A lease that is over is taken back within two minutes.': `
    select ${entry(`'its lease ended at ' || r.lease_until`)}
      from task_register r ${NAMES}
     where r.status_id = 2 and r.lease_until < clock_timestamp() - interval '${LATE_SECONDS} seconds'`,
  'What waits for a time is woken within two minutes of it.': `
    select ${entry(`'it was due at ' || r.due_at`)}
      from task_register r ${NAMES}
     where r.due_at < clock_timestamp() - interval '${LATE_SECONDS} seconds'`,
  'An entry is held if, and only if, somebody holds it or its subject.': `
    select ${entry(`case when r.held then 'it is held by nobody' else 'its hold does not hold it' end`)}
      from task_register r ${NAMES}
     where r.held <> exists (select from hold h where h.subject_id = r.subject_id and (h.task_id is null or h.task_id = r.task_id))`,
  'Every subject has an entry for each task of its kind, and no others.': `
    select '"' || t.name || '" of ' || s.name || ': there is no entry' as what
      from subject s
      join task t on t.kind = s.kind
     where not exists (select from task_register r where r.subject_id = s.id and r.task_id = t.id)
    union all
    select ${entry(`'a ' || s.kind || ' has an entry for a task of ' || t.kind`)}
      from task_register r ${NAMES}
     where t.kind <> s.kind`,
  'No task runs more often at once than its concurrency.': `
    select '"' || t.name || '": ' || n.running || ' run, ' || t.concurrency || ' may' as what
      from task t
     cross join lateral (select count(*) as running from task_register where task_id = t.id and status_id = 2) n
     where n.running > t.concurrency`,
  'No resource is used more at once than there is of it.': `
    select '"' || e.name || '": ' || n.units || ' are used, there are ' || e.concurrency as what
      from resource e
     cross join lateral (
       select coalesce(sum(u.units), 0) as units from task_use u join task_register r on r.task_id = u.task_id and r.status_id = 2 where u.resource = e.name) n
     where n.units > e.concurrency`,
  'A request that nobody has approved, or that is closed, is held.': `
    select s.name || ': ' || case when q.approved_at is null then 'it waits for approval' else 'it is closed' end as what
      from request q
      join subject s on s.id = q.subject_id
     where (q.approved_at is null or q.closed_at is not null)
       and not exists (select from hold h where h.subject_id = q.subject_id and h.task_id is null)`,
  'A job has ended if, and only if, its entry has, and as the entry says.': `
    select ${entry(`'the job is ' || coalesce(j.state, 'open') || ', its entry has status ' || r.status_id`)}
      from job j
      join task_register r on r.subject_id = j.subject_id and r.task_id = j.task_id ${NAMES}
      join status x on x.id = r.status_id
     where coalesce(j.state, 'open') <> case when x.id in (1, 2) then 'open' when x.message in ('cancelled', 'skipped') then x.message when x.type = 'error' then 'failed' else 'completed' end
        or (j.state is null) <> (j.ended_at is null)`,
  'What follows from a job that failed or was cancelled does not wait for it for ever.': `
    select ${entry(`'it waits for job ' || k.subject_id || ', which has ' || k.state`)}
      from job_parent p
      join job k on k.subject_id = p.parent_id and k.state in ('failed', 'cancelled')
      join job j on j.subject_id = p.job_id and j.requeues = 0 and j.state is null
      join task_register r on r.subject_id = j.subject_id and r.task_id = j.task_id ${NAMES}
     where k.requeues = 0 and r.status_id = 1`,
  'No job waits for its turn among those of its key while there is room for it.': `
    select '"' || t.name || '", key "' || k.key || '": ' || k.parked || ' wait, ' || k.admitted || ' may run of ' || coalesce(t.concurrency_per_key::text, 'any number') as what
      from (select task_id, key, count(*) filter (where parked) as parked, count(*) filter (where not parked) as admitted
              from job
             where key is not null and ended_at is null
             group by task_id, key) k
      join task t on t.id = k.task_id
     where k.parked > 0 and k.admitted < coalesce(t.concurrency_per_key, k.admitted + 1)`,
  'Every status that an entry has is one of the fixtures.': `
    select ${entry(`'status ' || r.status_id`)}
      from task_register r ${NAMES}
     where not exists (select from status x where x.id = r.status_id)`,
};

/** Every rule there is, for those who list them. */
export const AUDIT_RULES: readonly string[] = Object.keys(RULES);
