import { statement, type Run } from '../db/hot.ts';
import { FORGET_PLANS } from '../db/save-transients.ts';
import { DuplicateRequestError, RequestProblemsError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { OMITTED } from '../status/status.ts';
import { whyOmitted, type RequestTask } from './decide.ts';
import { APPROVAL_HOLD, readRequestTasks, type Desk } from './desk.ts';
import { readRequestInput, shownValue, type RequestInput } from './input.ts';

/** Days that a request has unless it says until when. */
const DEADLINE_DAYS = 30;
/** The most requests that are taken in at once. */
const MOST_AT_ONCE = 10_000;

/** The triggers on holds and entries compare rows with rows, by plans that were made for few. */
const ROWS_PER_STATEMENT = 200;

/** A request that was taken in. */
export interface TakenRequest {
  name: string;
  deadline: Date;
  /** Names of the tasks that apply, in the order of the fixtures. */
  tasks: readonly string[];
  /** The others, each with the reason. */
  omitted: readonly { task: string; reason: string }[];
}

/**
 * Takes in requests, all or none: each with its list of tasks, held until a person approves it.
 *
 * @param values anything at all, one a request
 * @param options.rows the rows that the values are, for messages, e.g. lines of a file; else their places, from 1
 * @throws {RequestProblemsError} fields are missing or wrong; all problems of all requests
 * @throws {DuplicateRequestError} the person has a request of this type that is open
 */
export async function takeIn(desk: Desk, values: readonly unknown[], by: string, options: { rows?: readonly number[]; dryRun?: boolean } = {}): Promise<TakenRequest[]> {
  const rowOf = (at: number): number | undefined => options.rows?.[at] ?? (values.length === 1 ? undefined : at + 1);
  if (values.length === 0 || values.length > MOST_AT_ONCE) {
    throw new RequestProblemsError([{ field: 'request', expected: `1 to ${MOST_AT_ONCE.toLocaleString('en')} requests`, found: String(values.length) }]);
  }
  const read = values.map((value) => readRequestInput(value));
  const tasks = await readRequestTasks(desk.database.hot.run);
  const types = [...new Set(tasks.flatMap(({ requestTypes }) => requestTypes ?? []))];
  const problems = read.flatMap(({ input, problems: found = [] }, at) => {
    const all = input === undefined || types.includes(input.type) ? found : [unknownType(input.type, types)];
    return all.map((problem) => ({ ...(rowOf(at) !== undefined && { row: rowOf(at)! }), ...problem }));
  });
  if (problems.length > 0) throw new RequestProblemsError(problems);
  const inputs = read.map(({ input }) => input!);
  refuseTwice(inputs, rowOf);
  return desk.database.hot.transaction(async (run) => {
    await run(ONE_AT_A_TIME, []);
    await refuseOpen(run, inputs, rowOf);
    const now = desk.clock.now();
    const decided = inputs.map((input) => ({ input, deadline: input.deadline ?? new Date(now.getTime() + DEADLINE_DAYS * 86_400_000), ...decide(tasks, input) }));
    if (options.dryRun === true) return decided.map(({ deadline, applies, omitted }) => ({ name: '', deadline, tasks: applies, omitted }));
    const names: string[] = [];
    for (let start = 0; start < decided.length; start += ROWS_PER_STATEMENT) {
      names.push(...(await save(run, decided.slice(start, start + ROWS_PER_STATEMENT), { by, now, tasks })));
    }
    return decided.map(({ deadline, applies, omitted }, at) => ({ name: names[at]!, deadline, tasks: applies, omitted }));
  });
}

function decide(tasks: readonly RequestTask[], input: RequestInput): { applies: string[]; omitted: { task: string; reason: string }[] } {
  const decided = tasks.map((task) => ({ task: task.name, reason: whyOmitted(task, input) }));
  return {
    applies: decided.filter(({ reason }) => reason === undefined).map(({ task }) => task),
    omitted: decided.flatMap(({ task, reason }) => (reason === undefined ? [] : [{ task, reason }])),
  };
}

function unknownType(type: string, types: readonly string[]) {
  const meant = nearest(type, [...types]);
  const expected = types.length === 0 ? 'a type of request that a task is for, of which there are none' : `one of the types ${types.map((one) => `"${one}"`).join(', ')}`;
  return { field: 'request_type', expected, found: shownValue(type), ...(meant !== undefined && { nearest: meant }) };
}

const personOf = ({ email, type }: Pick<RequestInput, 'email' | 'type'>): string => `${email.toLowerCase()}\n${type}`;

function refuseTwice(inputs: readonly RequestInput[], rowOf: (at: number) => number | undefined): void {
  const first = new Map<string, number>();
  for (const [at, input] of inputs.entries()) {
    const earlier = first.get(personOf(input));
    if (earlier !== undefined) throw new DuplicateRequestError(input.type, { row: rowOf(at), earlier: rowOf(earlier) });
    first.set(personOf(input), at);
  }
}

async function refuseOpen(run: Run, inputs: readonly RequestInput[], rowOf: (at: number) => number | undefined): Promise<void> {
  const [open] = await run<{ name: string; at: number }>(OPEN, [JSON.stringify(inputs.map(({ email, type }, at) => ({ email: email.toLowerCase(), type, at })))]);
  if (open !== undefined) throw new DuplicateRequestError(inputs[open.at]!.type, { request: open.name, row: rowOf(open.at) });
}

interface Decided {
  input: RequestInput;
  deadline: Date;
  omitted: readonly { task: string; reason: string }[];
}

/** @returns the names that the requests got */
async function save(run: Run, decided: readonly Decided[], { by, now, tasks }: { by: string; now: Date; tasks: readonly RequestTask[] }): Promise<string[]> {
  const rows = decided.map(({ input, deadline }, at) => ({
    at, email: input.email, type: input.type, requested_at: input.requestedAt, deadline, identifiers: input.identifiers, details: input.details, notes: input.notes,
  }));
  await run(FORGET, []);
  const saved = await run<{ id: string; name: string }>(SAVE_SUBJECTS, [JSON.stringify(rows)]);
  const given = JSON.stringify(rows.map((row, at) => ({ ...row, id: saved[at]!.id })));
  await run(SAVE_REQUESTS, [given, now.toISOString(), by, tasks.map(({ id }) => id)]);
  await run(HOLD, [given, APPROVAL_HOLD.reason, APPROVAL_HOLD.by]);
  const omitted = decided.flatMap((one, at) => one.omitted.map(({ task, reason }) => ({ id: saved[at]!.id, task, reason })));
  await omit(run, omitted, by);
  return saved.map(({ name }) => name);
}

/** Gives entries the status `omitted`, with the reason. */
export async function omit(run: Run, omitted: readonly { id: string; task: string; reason: string }[], by: string): Promise<void> {
  if (omitted.length > 0) await run(OMIT, [JSON.stringify(omitted), by]);
}

const FORGET = statement(FORGET_PLANS);

// Whether a request is open follows from its entries, which no unique index can see; so one intake at a time.
const ONE_AT_A_TIME = statement(`select pg_advisory_xact_lock(7216012)`);

const OPEN = statement(`
select s.name, g.at
  from jsonb_to_recordset($1::jsonb) as g(email text, type text, at integer)
  join request q on lower(q.email) = g.email and q.type = g.type and q.closed_at is null
  join lateral (select completed_at from request_state x where x.subject_id = q.subject_id offset 0) x on x.completed_at is null
  join subject s on s.id = q.subject_id
 order by g.at
 limit 1`);

const SAVE_SUBJECTS = statement(`
with given as (
  select * from jsonb_to_recordset($1::jsonb) as g(at integer, requested_at timestamptz) order by at),
saved as (
  insert into subject (kind, name, public_timestamp)
  select 'request', 'R-' || nextval('request_number'), requested_at from given order by at
  returning id, name)
select id, name from saved order by id`);

const SAVE_REQUESTS = statement(`
with saved as (
  insert into request (subject_id, email, type, requested_at, deadline, identifiers, details, notes, created_at, created_by, decided)
  select g.id, g.email, g.type, g.requested_at, g.deadline, g.identifiers, g.details, g.notes, $2, $3, $4::integer[]
    from jsonb_to_recordset($1::jsonb) as g(id bigint, email text, type text, requested_at timestamptz, deadline timestamptz, identifiers jsonb, details jsonb, notes text)
  returning subject_id)
insert into request_event (subject_id, by, kind) select subject_id, $3, 'received' from saved`);

const HOLD = statement(`
insert into hold (subject_id, reason, placed_by) select g.id, $2, $3 from jsonb_to_recordset($1::jsonb) as g(id bigint)`);

const OMIT = statement(`
update task_register r
   set status_id = x.id, cause = 'omit', actor = $2, reason = g.reason, due_at = null, failure = null, warning = null, setbacks = 0, waits_for = null,
       last_modified = clock_timestamp()
  from jsonb_to_recordset($1::jsonb) as g(id bigint, task text, reason text)
  join task t on t.name = g.task
  join status x on x.message = '${OMITTED}'
 where r.subject_id = g.id and r.task_id = t.id`);
