/** Of each job, how much of its entry's `unmet` comes from what jobs wait for: parents that are not completed, and its turn among those of its key. */
export const JOB_WAITS = `
  select j.subject_id, j.task_id,
         j.parked::integer + (
           select count(*)
             from job_parent p
             left join job k on k.subject_id = p.parent_id
            where p.job_id = j.subject_id and coalesce(k.state, 'open') not in ('completed', 'skipped')) as waits
    from job j`;
