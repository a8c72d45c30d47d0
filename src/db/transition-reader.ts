import type { EntityManager } from '@mikro-orm/postgresql';

/** Who reads the transitions from one end to the other. */
export type ReaderName = 'metrics' | 'notices';

/**
 * Lets a reader go on, if nobody else does just now. All transitions up to a time are final when every transaction that had begun to
 * write by then is over: the time is marked at one call and reached at a later one.
 *
 * @param read is given the stretch that is final, its beginning left out, and reads it in the same transaction
 * @param options.eagerly it is given all that is there at every call, up to `infinity`, and must know what it has seen already; what was
 *   there before the first call is never given
 * @returns whether there was a stretch to read
 */
export async function readOn(em: EntityManager, name: ReaderName, read: (tx: EntityManager, since: string, until: string) => Promise<void>, options: { eagerly?: boolean } = {}): Promise<boolean> {
  return em.transactional(async (tx) => {
    const [reader] = await tx.execute<{ since: string; until: string | null; settled: boolean }[]>(LOCK, [name]);
    if (reader === undefined) return false;
    const { since, until, settled } = reader;
    if (options.eagerly === true) {
      if (since === '-infinity') {
        await tx.execute(FROM_NOW_ON, [name]);
        return false;
      }
      await read(tx, since, 'infinity');
    }
    if (until !== null && !settled) return false;
    if (until !== null && options.eagerly !== true) await read(tx, since, until);
    await tx.execute(MARK, [name]);
    return until !== null;
  });
}

// Whoever writes holds a lock on the number of its transaction until its end can be seen by all. Other databases of the server have
// transactions too, which are none of ours. What is read then is read by a later statement, which sees what has ended by now.
const LOCK = `
select read_to::text as since, mark_at::text as until,
       mark_xid is not null and not exists (
         select from pg_locks l
           join pg_stat_activity a on a.pid = l.pid and a.datname = current_database()
          where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted and age(l.transactionid) > age(mark_xid::xid)) as settled
  from transition_reader where name = ? for update skip locked`;

const FROM_NOW_ON = `update transition_reader set read_to = now() where name = ?`;

// now() is when this transaction began, before any snapshot of it: who had written by then had its number, which is below xmax.
const MARK = `
update transition_reader
   set read_to = coalesce(mark_at, read_to), mark_at = greatest(now(), coalesce(mark_at, '-infinity')), mark_xid = pg_snapshot_xmax(pg_current_snapshot())
 where name = ?`;
