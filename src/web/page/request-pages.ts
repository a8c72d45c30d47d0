import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { RefusedError, RequestProblemsError } from '../../errors.ts';
import { approve, close, withdrawApproval } from '../../requests/approve.ts';
import { comment } from '../../requests/comment.ts';
import { readCosts } from '../../requests/costs.ts';
import { readRequestTasks } from '../../requests/desk.ts';
import { addTask, omitTask } from '../../requests/edit-list.ts';
import { identify } from '../../requests/identify.ts';
import { readAttempts, readRequest, readRequests } from '../../requests/report.ts';
import { runNow } from '../../requests/run-now.ts';
import { takeIn } from '../../requests/take-in.ts';
import { readIntake } from '../api/intake.ts';
import { statusOf } from '../api/refusals.ts';
import { actorOf, MOST_INTAKE_BYTES, type RequestDeps } from '../api/requests.ts';
import type { Links, RequestLinks } from '../links.ts';
import { htmlReply, seeOther, textReply, type Ask, type Reply, type Route } from '../route.ts';
import { fileReply } from '../stored-file.ts';
import { cleanText } from '../token.ts';
import { requestCostsPage } from './request-costs.ts';
import { requestIntakePage } from './request-intake.ts';
import { requestListPage } from './request-list.ts';
import { changedNotice, requestPage } from './request-page.ts';
import type { RequestView } from './request-words.ts';

/** What the pages of requests work with. */
export type RequestPageDeps = RequestDeps & {
  links: RequestLinks;
  all: Links & { requests: RequestLinks };
  version: string | undefined;
  /** Absolute; what was made for a request lies in `requests/<name>/` of it. */
  productsFolder: string;
};

type Form = Readonly<Record<string, string>>;
type Handler = (ask: Ask, view: RequestView) => Promise<Reply>;

const MOST_FORM_BYTES = 64_000;
const NAME_COOKIE = 'afterglow_name';

/** Requests for people: `/requests`. Whatever changes something is a form that is posted, and answers before anything has run. */
export function createRequestPages({ desk, links, all, guard, version, productsFolder }: RequestPageDeps): Route[] {
  const { run } = desk.database.hot;
  const folderOf = (name: string): string => path.join(productsFolder, 'requests', name);

  const page = (method: 'get' | 'post', at: string, handler: Handler): Route => ({
    method,
    path: `/requests${at}`,
    handler: async (ask) => {
      if (Object.values(ask.params).some((part) => part !== cleanText(part))) return textReply('Nothing has such a name.', 404);
      const caller = guard(ask);
      if ('status' in caller) return caller;
      const view = { links: all, version, name: caller.name ?? cookieName(ask), now: desk.clock.now() };
      return handler(ask, view).catch((error: unknown) => {
        const status = statusOf(error);
        if (status === undefined) throw error;
        return textReply((error as Error).message, status);
      });
    },
  });

  const show = async (view: RequestView, name: string, notice?: string, status: 200 | 409 = 200): Promise<Reply> => {
    const request = await readRequest(run, name);
    const tasks = request.tasks.filter(({ attempts }) => attempts > 0).map(({ task }) => task);
    const runs = new Map(await Promise.all(tasks.map(async (task) => [task, await readAttempts(run, name, task)] as const)));
    const files = await readdir(folderOf(request.request)).catch(() => []);
    return htmlReply(await requestPage(view, { request, runs, files: files.filter((file) => !file.startsWith('.')).toSorted(), notice, seen: digest(request) }), status);
  };

  /** An act on a request: it goes back to the page, or says there why not. */
  const act = (at: string, does: (form: Form, target: { request: string; task: string; by: string }) => Promise<string | void>): Route =>
    page('post', `/:id${at}`, async (ask, view) => {
      const request = ask.params.id!;
      const form = await readForm(ask);
      if (form === undefined) return textReply('This is no form of ours.', 415);
      try {
        if (view.name === undefined) throw new RefusedError('Say who you are first: it is kept with what you do.');
        const notice = await does(form, { request, task: ask.params.task ?? '', by: actorOf(view.name) });
        return notice === undefined ? seeOther(links.one(request)) : await show(view, request, notice);
      } catch (error) {
        if (statusOf(error) !== 409) throw error;
        return show(view, request, (error as Error).message, 409);
      }
    });

  const intakePage = async (view: RequestView, given: Form = {}, refused?: { message: string; problems: RequestProblemsError['problems'] }, status: 200 | 400 | 409 = 200): Promise<Reply> => {
    const tasks = await readRequestTasks(run);
    const types = [...new Set(tasks.flatMap(({ requestTypes }) => requestTypes ?? []))];
    const identifiers = [...new Set(tasks.flatMap(({ needsIdentifiers }) => needsIdentifiers))];
    return htmlReply(await requestIntakePage(view, { types, identifiers, given, refused }), status);
  };

  return [
    page('get', '', async (_ask, view) => htmlReply(await requestListPage(view, await readRequests(run, 'open'), 'open'))),
    page('get', '/done', async (_ask, view) => htmlReply(await requestListPage(view, await readRequests(run, 'done'), 'done'))),
    page('get', '/costs', async (_ask, view) => htmlReply(await requestCostsPage(view, await readCosts(run)))),
    page('get', '/new', (_ask, view) => intakePage(view)),
    page('post', '/new', async (ask, view) => {
      const bytes = await ask.body(MOST_INTAKE_BYTES);
      if (bytes === undefined) return textReply(`A file with requests has at most ${MOST_INTAKE_BYTES.toLocaleString('en')} bytes; split it.`, 413);
      const type = ask.header('content-type') ?? '';
      const form = isForm(type) ? formOf(bytes) : {};
      try {
        if (view.name === undefined) throw new RefusedError('Say who you are first: it is kept with what you do.');
        const read = isForm(type) ? { values: [requestOfForm(form)] } : await readIntake(type, bytes);
        if (read === undefined) return textReply('This is no form of ours.', 415);
        const taken = await takeIn(desk, read.values, actorOf(view.name), { rows: read.rows });
        return seeOther(taken.length === 1 ? links.one(taken[0]!.name) : links.open);
      } catch (error) {
        const status = statusOf(error);
        if (status !== 400 && status !== 409) throw error;
        return intakePage(view, form, { message: (error as Error).message, problems: error instanceof RequestProblemsError ? error.problems : [] }, status);
      }
    }),
    page('post', '/name', async (ask) => {
      const form = await readForm(ask);
      const name = (form?.name ?? '').trim().slice(0, 100);
      if (name === '') return textReply('Say who you are.', 400);
      // Only to a page of ours: what comes from a form may name any.
      const back = form?.back?.startsWith(`${links.open}/`) ? form.back : links.open;
      return seeOther(back, { 'set-cookie': `${NAME_COOKIE}=${encodeURIComponent(name)}; Path=${links.open}; Max-Age=31536000; HttpOnly; SameSite=Strict` });
    }),
    page('get', '/:id', (ask, view) => show(view, ask.params.id!)),
    page('get', '/:id/pulse', async ({ params, query }) => {
      const seen = digest(await readRequest(run, params.id!));
      return query.seen === seen ? { status: 204, body: null } : htmlReply(String(await changedNotice(links.one(params.id!))));
    }),
    page('get', '/:id/files/:file', async (ask) => {
      const { request } = await readRequest(run, ask.params.id!);
      const file = ask.params.file!;
      const isPlain = file !== '' && !file.startsWith('.') && !/[/\\\0]/.test(file);
      const headers = { 'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file)}`, 'content-security-policy': "default-src 'none'; sandbox" };
      return (isPlain ? await fileReply(path.join(folderOf(request), file), ask, { cacheControl: 'no-store', headers }) : undefined) ?? textReply('There is no such file.', 404);
    }),
    act('/approve', ({ seen }, { request, by }) => approve(desk, { request, by, seen: seen === '' ? undefined : seen })),
    act('/withdraw-approval', (_form, { request, by }) => withdrawApproval(desk, { request, by })),
    act('/close', ({ reason }, { request, by }) => close(desk, { request, by, reason: said(reason) })),
    act('/comments', ({ text = '' }, { request, by }) => comment(desk, { request, by, text })),
    act('/identifiers', async ({ name = '', value = '' }, { request, by }) => {
      await identify(desk, { request, by }, name.trim(), value);
    }),
    act('/tasks/:task/add', (_form, target) => addTask(desk, target)),
    act('/tasks/:task/omit', ({ reason }, target) => omitTask(desk, target, said(reason))),
    act('/tasks/:task/run', async ({ again, attempt }, target) => {
      const { answer, message } = await runNow(desk, target, { again: again === 'yes', attempt: attempt === undefined ? undefined : Number(attempt) });
      return answer === 'started' ? undefined : message;
    }),
  ];
}

/** What of a request its page shows, without what changes by itself. */
function digest({ waits: _waits, daysLeft: _daysLeft, ...request }: Awaited<ReturnType<typeof readRequest>>): string {
  return createHash('sha1').update(JSON.stringify(request)).digest('base64url');
}

/** @throws {RefusedError} */
function said(reason: string | undefined): string {
  const text = (reason ?? '').trim();
  if (text === '' || text.length > 1000) throw new RefusedError('Say why, in at most 1,000 characters.');
  return text;
}

function cookieName(ask: Ask): string | undefined {
  const [, value] = new RegExp(`(?:^|;\\s*)${NAME_COOKIE}=([^;]*)`).exec(ask.header('cookie') ?? '') ?? [];
  try {
    return cleanText(decodeURIComponent(value ?? '')).trim().slice(0, 100) || undefined;
  } catch {
    return undefined;
  }
}

const isForm = (type: string): boolean => type.toLowerCase().startsWith('application/x-www-form-urlencoded');
const formOf = (bytes: Uint8Array): Form => Object.fromEntries([...new URLSearchParams(Buffer.from(bytes).toString('utf8'))].map(([name, value]) => [name, cleanText(value)]));

async function readForm(ask: Ask): Promise<Form | undefined> {
  const bytes = await ask.body(MOST_FORM_BYTES);
  if (bytes === undefined || (bytes.length > 0 && !isForm(ask.header('content-type') ?? ''))) return undefined;
  return formOf(bytes);
}

/** The fields of the form as a request: what is empty was not given. */
function requestOfForm(form: Form): Record<string, unknown> {
  const filled = Object.entries(form).filter(([, value]) => value.trim() !== '');
  const identifiers = filled.filter(([name]) => name.startsWith('identifiers.')).map(([name, value]) => [name.slice('identifiers.'.length), value]);
  return { ...Object.fromEntries(filled.filter(([name]) => !name.startsWith('identifiers.'))), identifiers: Object.fromEntries(identifiers) };
}
