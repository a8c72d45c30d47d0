import { statement, type Run } from '../db/hot.ts';

/** Lifts the holds whose time is over and lets go what is due, and gives the keys of jobs their turns that were left; the tasks are woken. Two statements, which cost an idle database next to nothing. */
export async function letGo(run: Run): Promise<void> {
  await run(LET_GO, []);
  await run(SETTLE_LEFT, []);
}

// A change of due_at is no move, so the trigger keeps silent: the tasks are woken here. Those of the holds are woken by the
// trigger on holds. A hold that was prolonged while we looked at it is looked at again, and stays. What somebody else has in hand is
// passed over: to wait for it would lock it once more when it is let go already, and whoever was woken then would pass it over.
const LET_GO = statement(`
with over as (
  delete from hold where until <= clock_timestamp()),
chosen as materialized (
  select subject_id, task_id from task_register where due_at <= clock_timestamp() for update skip locked),
due as (
  update task_register r
     set due_at = null, ready_at = clock_timestamp()
    from chosen c
   where r.subject_id = c.subject_id and r.task_id = c.task_id
  returning r.task_id)
select pg_notify('afterglow_ready', task_id::text) from (select distinct task_id from due) d`);

// Somebody had the next job of the key in hand when its turn came.
const SETTLE_LEFT = statement(`select settle_key(task_id, key) from (select * from key_left order by task_id, key) l`);
