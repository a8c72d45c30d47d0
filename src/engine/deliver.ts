import { isConnectionError } from '../db/connection-error.ts';
import { statement, type Hot } from '../db/hot.ts';
import type { Logger } from '../log.ts';
import type { KeptEnding } from '../spool/kept-ending.ts';
import type { Orphan, Spool } from '../spool/spool.ts';
import type { Ending } from './advance.ts';
import { advanceOrLook } from './belated.ts';
import { retryDeadlock } from './retry-deadlock.ts';

/**
 * Delivers what dead processes left in the spool, fenced like every end of an attempt: each result once, or not at all where its
 * entry was claimed again or reset meanwhile, which is logged and set aside. Call it before anything is rescued or claimed.
 *
 * @returns how many results were recorded now
 * @throws {Error} the database went away; what was not delivered stays
 */
export async function deliver(hot: Hot, spool: Spool, log: Logger): Promise<number> {
  let delivered = 0;
  for await (const orphan of spool.orphans()) if (await deliverOne(hot, orphan, log)) delivered += 1;
  return delivered;
}

async function deliverOne(hot: Hot, { ending, file }: Orphan, log: Logger): Promise<boolean> {
  const { task, subject, attempt, status } = ending;
  const what = { task, subject, attempt, status };
  const aside = async (why: string, err?: unknown): Promise<false> => {
    log.warn({ ...what, err, file: await file.setAside('late') }, `a result of the spool is not recorded: ${why}`);
    return false;
  };
  try {
    const found = await identify(hot, ending);
    if (typeof found === 'string') return await aside(found);
    const given = { ...ending, statusId: found.statusId } as Ending;
    const fate = (await retryDeadlock(() => advanceOrLook(hot.run, found.taskId, ending.actor, [given], () => true))).get(given)!;
    if (fate === 'gone') return await aside('its entry is gone');
    if (typeof fate === 'object') {
      const { nowAttempt, nowStatus, by } = fate;
      return await aside(`the entry is "${nowStatus}" now, on attempt ${nowAttempt} (${by})`);
    }
    await file.remove();
    if (fate === 'recorded') return false;
    log.info(what, `a result of ${ending.keptAt} was delivered from the spool`);
    return true;
  } catch (error) {
    if (!isConnectionError(error)) return aside('the database refuses it', error);
    file.leave();
    throw error;
  }
}

/** The ids of what the file names, or why it does not belong to this database. */
async function identify(hot: Hot, ending: KeptEnding): Promise<{ taskId: number; statusId: number } | string> {
  const { task, status, subjectId, subject, attempt, daemon } = ending;
  const [row] = await hot.run<{ task_id: number | null; status_id: number | null; is_its: boolean }>(
    IDENTIFY, [task, status, subjectId, subject, attempt, daemon.id, daemon.pid, daemon.processStart],
  );
  if (row?.task_id == null) return `there is no task "${task}"`;
  if (row.status_id === null) return `there is no status "${status}"`;
  // Ids are counted from one in every database, and a data folder may be used with another one.
  if (!row.is_its) return 'its attempt was not made in this database';
  return { taskId: row.task_id, statusId: row.status_id };
}

const IDENTIFY = statement(`
select t.id as task_id, (select id from status where message = $2) as status_id,
       exists (
         select from attempt a
           join subject s on s.id = a.subject_id
           join daemon d on d.id = a.daemon_id
          where a.subject_id = $3::bigint and a.task_id = t.id and a.attempt = $5
            and s.name = $4 and d.id = $6 and d.pid = $7 and d.process_start = $8) as is_its
  from (values (1)) one
  left join task t on t.name = $1`);
