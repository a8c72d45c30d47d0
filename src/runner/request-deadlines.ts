import type { RunContext } from './context.ts';
import { SystemTaskRunner } from './runner.ts';

/** From so many days before a deadline on, a person is warned; at each of them once. 0: it is over. */
const STEPS = [7, 3, 1, 0] as const;

/**
 * Warns of requests whose deadline comes near or is over: in the log, and among what happened to the request, where its page shows
 * it. Each warning comes once. Add it to the list of runners, with a task of kind `system` named "Warn of deadlines".
 */
export class WarnOfDeadlines extends SystemTaskRunner {
  readonly taskName: string = 'Warn of deadlines';
  readonly schedule: string | number = '0 * * * *';
  override readonly runsAtStart: boolean = true;

  async runProcess({ em, log, clock }: RunContext) {
    const now = clock.now();
    const rows = await em.execute<{ id: string; name: string; deadline: string | Date; state: string; email: string }[]>(NEAR, [now.toISOString(), STEPS[0]]);
    const warnings = rows.map(({ id, name, deadline, state }) => ({ id, name, state, text: sentenceOf(new Date(deadline), now) }));
    const said = await em.execute<{ name: string }[]>(WARN, [JSON.stringify(warnings)]);
    const isNew = new Set(said.map(({ name }) => name));
    for (const { name, state, text } of warnings) if (isNew.has(name)) log.warn(`${name}${state === 'inactive' ? ', which waits for approval' : ''}: ${text}`);
    return { near: rows.length, warned: said.length };
  }
}

/** The same for the same step, which is how a warning comes once. */
function sentenceOf(deadline: Date, now: Date): string {
  const days = (deadline.getTime() - now.getTime()) / 86_400_000;
  const step = STEPS.findLast((one) => days <= one) ?? STEPS[0];
  const day = deadline.toISOString().slice(0, 10);
  return step === 0 ? `The deadline of ${day} is over.` : `The deadline is on ${day}, in less than ${step === 1 ? 'a day' : `${step} days`}.`;
}

const NEAR = `
select q.subject_id as id, s.name, q.deadline, x.state, q.email
  from request q
  join subject s on s.id = q.subject_id
  join lateral (select state, completed_at from request_state x where x.subject_id = q.subject_id offset 0) x on x.completed_at is null
 where q.closed_at is null and q.deadline <= ?::timestamptz + ? * interval '1 day'
 order by q.deadline`;

const WARN = `
with given as (
  select * from jsonb_to_recordset(?::jsonb) as g(id bigint, name text, text text)),
warned as (
  insert into request_event (subject_id, by, kind, text)
  select id, 'requests', 'deadline', text
    from given g
   where not exists (select from request_event e where e.subject_id = g.id and e.kind = 'deadline' and e.text = g.text)
  returning subject_id)
select g.name from given g join warned w on w.subject_id = g.id`;
