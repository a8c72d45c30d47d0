import { SystemTaskRunner, type RunContext } from '../../src/index.ts';

/** Days that history is kept. */
const KEPT_DAYS = 365;
/** Rows that one statement deletes, so that none runs long. */
const BATCH = 10_000;

/** Deletes what is older than a year: attempts (never the last one of an entry), transitions and ticks; and named locks whose owner died. */
export class PruneHistory extends SystemTaskRunner {
  readonly taskName = 'Prune history';
  readonly schedule = '30 4 * * *';

  async runProcess({ em, signal }: RunContext) {
    const deleted: Record<string, number> = {};
    for (const [table, old] of Object.entries(OLD)) {
      deleted[table] = 0;
      for (;;) {
        signal.throwIfAborted();
        const rows = await em.execute<object[]>(`delete from ${table} where ctid = any (array(${old} limit ${BATCH})) returning 1`);
        deleted[table] += rows.length;
        if (rows.length < BATCH) break;
      }
    }
    return deleted;
  }
}

const OLD = {
  attempt: `
    select a.ctid from attempt a
      join task_register r on r.subject_id = a.subject_id and r.task_id = a.task_id
     where a.started_at < now() - interval '${KEPT_DAYS} days' and a.attempt < r.attempt and a.ended_at is not null`,
  transition: `select ctid from transition where at < now() - interval '${KEPT_DAYS} days'`,
  tick: `
    select k.ctid from tick k
     where k.started_at < now() - interval '${KEPT_DAYS} days' and k.ended_at is not null
       and k.id < (select max(id) from tick where runner = k.runner)`,
  // A day after it ran out, nobody comes back to renew it.
  named_lock: `select ctid from named_lock where expires_at < now() - interval '1 day'`,
};
