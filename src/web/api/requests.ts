import { z } from 'zod';
import { RequestProblemsError } from '../../errors.ts';
import { approve, close, withdrawApproval } from '../../requests/approve.ts';
import { comment } from '../../requests/comment.ts';
import { readCosts } from '../../requests/costs.ts';
import type { Desk } from '../../requests/desk.ts';
import { addTask, omitTask } from '../../requests/edit-list.ts';
import { identify } from '../../requests/identify.ts';
import { shownValue } from '../../requests/input.ts';
import { readAttempts, readRequest, readRequests } from '../../requests/report.ts';
import { runNow } from '../../requests/run-now.ts';
import { takeIn } from '../../requests/take-in.ts';
import type { RequestLinks } from '../links.ts';
import { jsonReply, type Ask, type Reply, type Route } from '../route.ts';
import { cleanText, type Caller } from '../token.ts';
import { readIntake } from './intake.ts';
import { errorReply, refusal } from './refusals.ts';

/** The largest body with requests, bytes. */
export const MOST_INTAKE_BYTES = 5_000_000;
/** The largest body of an act, bytes. */
const MOST_ACT_BYTES = 64_000;

/** What the routes of requests work with. */
export interface RequestDeps {
  desk: Desk;
  links: RequestLinks;
  /** Lets in who may, and says who it is. */
  guard: (ask: Ask) => Caller | Reply;
}

const act = z.strictObject({
  by: z.string().trim().min(1).max(100).optional(),
  seen: z.string().max(30).optional(),
  reason: z.string().trim().min(1).max(1000).optional(),
  text: z.string().max(5000).optional(),
  name: z.string().max(64).optional(),
  value: z.string().max(500).optional(),
  again: z.boolean().optional(),
  attempt: z.number().int().min(0).optional(),
});
type Act = z.output<typeof act>;

/**
 * Requests for programs: `/api/v1/requests`. Answers are JSON; errors are `{"error": {"code", "message", "problems"}}`. No answer waits
 * for a run.
 */
export function createRequestApi({ desk, links, guard }: RequestDeps): Route[] {
  const { run } = desk.database.hot;
  const guarded = (handler: (ask: Ask, caller: Caller) => Promise<Reply>) => async (ask: Ask): Promise<Reply> => {
    if (Object.values(ask.params).some((part) => part !== cleanText(part))) return errorReply(404, 'UNKNOWN_NAME', 'Nothing has such a name.');
    const caller = guard(ask);
    if ('status' in caller) return errorReply(caller.status as 401, caller.status === 401 ? 'TOKEN_NEEDED' : 'CLOSED', String(caller.body).trim());
    return handler(ask, caller).catch(refusal);
  };
  const get = (path: string, handler: (ask: Ask) => Promise<Reply>): Route => ({ method: 'get', path: `/api/v1/requests${path}`, handler: guarded(handler) });
  const post = (path: string, handler: (ask: Ask, given: Act & { by: string }) => Promise<Reply>): Route => ({
    method: 'post',
    path: `/api/v1/requests${path}`,
    handler: guarded(async (ask, caller) => {
      const given = await readAct(ask);
      return 'status' in given ? given : handler(ask, { ...given, by: actorOf(caller.name ?? given.by) });
    }),
  });
  const whole = async (name: string, status: 200 | 202 = 200) => jsonReply(await readRequest(run, name), status);

  return [
    { method: 'post', path: '/api/v1/requests', handler: guarded((ask, caller) => intake(desk, links, ask, actorOf(caller.name))) },
    get('', async ({ query }) => jsonReply({ requests: await readRequests(run, query.state === 'done' ? 'done' : 'open') })),
    get('/costs', async () => jsonReply({ months: await readCosts(run) })),
    get('/:id', ({ params }) => whole(params.id!)),
    get('/:id/tasks/:task', async ({ params: { id, task } }) => {
      const request = await readRequest(run, id!);
      const found = request.tasks.find((one) => one.task === task);
      if (found === undefined) return errorReply(404, 'UNKNOWN_NAME', `There is no task "${task}" of requests.`);
      return jsonReply({ request: id, ...found, waits: request.waits[task!] ?? [], runs: await readAttempts(run, id!, task!) });
    }),
    post('/:id/approve', async ({ params }, { by, seen }) => {
      await approve(desk, { request: params.id!, by, seen });
      return whole(params.id!);
    }),
    post('/:id/withdraw-approval', async ({ params }, { by }) => {
      await withdrawApproval(desk, { request: params.id!, by });
      return whole(params.id!);
    }),
    post('/:id/close', async ({ params }, { by, reason }) => {
      await close(desk, { request: params.id!, by, reason: needed(reason) });
      return whole(params.id!);
    }),
    post('/:id/comments', async ({ params }, { by, text = '' }) => {
      await comment(desk, { request: params.id!, by, text });
      return whole(params.id!);
    }),
    post('/:id/identifiers', async ({ params }, { by, name = '', value = '' }) => {
      await identify(desk, { request: params.id!, by }, name, value);
      return whole(params.id!);
    }),
    post('/:id/tasks/:task/add', async ({ params }, { by }) => {
      await addTask(desk, { request: params.id!, task: params.task!, by });
      return whole(params.id!);
    }),
    post('/:id/tasks/:task/omit', async ({ params }, { by, reason }) => {
      await omitTask(desk, { request: params.id!, task: params.task!, by }, needed(reason));
      return whole(params.id!);
    }),
    post('/:id/tasks/:task/run', async ({ params }, { by, again, attempt }) => {
      const [request, task] = [params.id!, params.task!];
      const answered = await runNow(desk, { request, task, by }, { again, attempt });
      const location = links.apiTask(request, task);
      return { ...jsonReply({ request, task, ...answered, look: location }, answered.answer === 'done' ? 200 : 202), headers: { 'content-type': 'application/json', 'cache-control': 'no-store', location } };
    }),
  ];
}

async function intake(desk: Desk, links: RequestLinks, ask: Ask, by: string): Promise<Reply> {
  const bytes = await ask.body(MOST_INTAKE_BYTES);
  if (bytes === undefined) return errorReply(413, 'TOO_LARGE', `A body with requests has at most ${MOST_INTAKE_BYTES.toLocaleString('en')} bytes; split it.`);
  const type = ask.header('content-type') ?? '';
  const read = await readIntake(type, bytes);
  if (read === undefined) return errorReply(415, 'MEDIA_TYPE', 'Requests are sent as application/json, text/csv, or multipart/form-data with a field "file".');
  const taken = await takeIn(desk, read.values, by, { rows: read.rows });
  const body = taken.map(({ name, ...rest }) => ({ request: name, ...rest, look: links.apiRequest(name) }));
  const reply = jsonReply(body.length === 1 ? body[0] : { requests: body }, 201);
  return body.length === 1 ? { ...reply, headers: { ...reply.headers, location: body[0]!.look } } : reply;
}

async function readAct(ask: Ask): Promise<Act | Reply> {
  const bytes = await ask.body(MOST_ACT_BYTES);
  if (bytes === undefined) return errorReply(413, 'TOO_LARGE', `The body of an act has at most ${MOST_ACT_BYTES.toLocaleString('en')} bytes.`);
  if (bytes.length === 0) return {};
  // A form of another site can send text, but no JSON.
  if (!(ask.header('content-type') ?? '').toLowerCase().startsWith('application/json')) return errorReply(415, 'MEDIA_TYPE', 'An act is sent as application/json, or without a body.');
  const [value] = (await readIntake('application/json', bytes))!.values;
  const read = act.safeParse(value);
  if (read.success) return Object.fromEntries(Object.entries(read.data).map(([key, one]) => [key, typeof one === 'string' ? cleanText(one) : one])) as Act;
  throw new RequestProblemsError(read.error.issues.map((issue) => ({
    field: issue.path.join('.') || 'body', expected: issue.message, found: shownValue((value as Record<string, unknown> | null)?.[String(issue.path[0])]),
  })));
}

/** @throws {RequestProblemsError} */
function needed(reason: string | undefined): string {
  if (reason === undefined) throw new RequestProblemsError([{ field: 'reason', expected: 'why, a sentence', found: 'nothing' }]);
  return reason;
}

/** Who did it, for the log of transitions. */
export const actorOf = (name: string | undefined): string => (name === undefined ? 'api' : `person ${name}`);
