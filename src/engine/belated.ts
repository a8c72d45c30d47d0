import { statement, type Run } from '../db/hot.ts';
import { advance, toRow, type Ending } from './advance.ts';

/** What became of an ending. */
export type Fate =
  /** It was written now: by the attempt that holds its lease, or after a rescue and before the next claim. */
  | 'written'
  /** It had been written before: the answer to that had got lost. */
  | 'recorded'
  /** Nothing was written: somebody else has the entry, or had it. */
  | { nowAttempt: number; nowStatus: string; by: string }
  | 'gone';

/**
 * Writes how attempts of one task ended, like {@link advance}, and looks at those that held no lease: one may have been written
 * already by a statement whose answer got lost, and a belated one still counts where its entry was rescued and nobody has claimed
 * it since.
 *
 * @param isBelated whether an ending could not be written in time; one that could and holds no lease has lost it
 */
export async function advanceOrLook(run: Run, taskId: number, actor: string, endings: readonly Ending[], isBelated: (ending: Ending) => boolean): Promise<Map<Ending, Fate>> {
  const held = await advance(run, taskId, actor, endings);
  const fates = new Map<Ending, Fate>(endings.map((ending) => [ending, 'written']));
  const others = endings.filter((ending) => !held.has(ending));
  if (others.length === 0) return fates;
  const given = others.map((ending, place) => ({ ...toRow(ending), place, belated: isBelated(ending) && isResult(ending) }));
  const rows = await run<FateRow>(DELIVER, [JSON.stringify(given), taskId, actor]);
  for (const row of rows) fates.set(others[row.place]!, fateOf(row));
  return fates;
}

/** Whether an ending is worth more than what a rescue makes of its entry. The others only give it back. */
export const isResult = ({ cause }: Ending): boolean => cause === 'finish' || cause === 'fail' || cause === 'time out' || cause === 'give up';

interface FateRow {
  place: number;
  delivered: boolean;
  outcome: string | null;
  attempt: number | null;
  status: string | null;
  cause: string | null;
  actor: string | null;
}

// Nobody but its own daemon gives an attempt another outcome than these.
const NOT_ITS_OWN = new Set(['running', 'rescued', 'superseded']);

function fateOf({ delivered, outcome, attempt, status, cause, actor }: FateRow): Fate {
  if (delivered) return 'written';
  if (outcome !== null && !NOT_ITS_OWN.has(outcome)) return 'recorded';
  if (attempt === null) return 'gone';
  return { nowAttempt: attempt, nowStatus: status ?? '', by: `${cause} by ${actor}` };
}

const DELIVER = statement(`
with ending as materialized (
  select *
    from jsonb_to_recordset($1::jsonb) as e(
      place integer, belated boolean, subject_id bigint, attempt integer, status_id smallint, cause text, outcome text, failure text,
      wall_seconds double precision, cpu_seconds double precision, result jsonb, warning text, cost double precision, error jsonb, log jsonb,
      due_in_seconds double precision, setbacks smallint, reason text, waits_for text)),
moved as (
  update task_register r
     set status_id = e.status_id, cause = 'deliver', actor = $3, setbacks = e.setbacks, failure = e.failure, reason = e.reason,
         waits_for = e.waits_for, due_at = clock_timestamp() + e.due_in_seconds * interval '1 second',
         warning = e.warning, wall_seconds = e.wall_seconds, last_modified = clock_timestamp()
    from ending e, task t
   where e.belated and t.id = $2
     and r.subject_id = e.subject_id and r.task_id = $2 and r.attempt = e.attempt and r.cause = 'rescue' and r.status_id = t.claim_from_id
  returning r.subject_id, r.attempt),
ended as (
  update attempt a
     set ended_at = clock_timestamp(), outcome = e.outcome, failure = e.failure, status_id = e.status_id, wall_seconds = e.wall_seconds,
         cpu_seconds = e.cpu_seconds, result = e.result, warning = e.warning, cost = e.cost, error = e.error, log = e.log, progress = null
    from moved m
    join ending e on e.subject_id = m.subject_id and e.attempt = m.attempt
   where a.subject_id = e.subject_id and a.task_id = $2 and a.attempt = e.attempt)
select e.place, m.subject_id is not null as delivered, a.outcome, r.attempt, s.message as status, r.cause, r.actor
  from ending e
  left join moved m on m.subject_id = e.subject_id and m.attempt = e.attempt
  left join attempt a on a.subject_id = e.subject_id and a.task_id = $2 and a.attempt = e.attempt
  left join task_register r on r.subject_id = e.subject_id and r.task_id = $2
  left join status s on s.id = r.status_id`);
