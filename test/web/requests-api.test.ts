import fc from 'fast-check';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { serveWeb, type WebOptions } from '../../src/web/web.ts';
import { createDatabase } from '../harness.ts';
import { anInput, clockAt, forgetAfterwards, givenRequests, type GivenRequestTask } from '../requests/given.ts';
import { givenWeb } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const CLOCK = clockAt('2026-11-21T12:00:00Z');
/** What tests look at of the answers. */
type Answer = Record<string, unknown> & { request: string; look: string; deadline: string; state: string; events: { kind: string; by: string }[]; requests: unknown[]; error: { problems: unknown[] } };
const TASKS: Record<string, GivenRequestTask> = { Accounts: { needs: ['uuid'] }, Newsletter: {}, Export: { types: ['export'] } };

async function given(tasks = TASKS, options: Partial<WebOptions> = {}) {
  forgetAfterwards(database);
  const requests = await givenRequests(database, tasks, CLOCK);
  const web = await givenWeb(database, { requests: true, clock: CLOCK, ...options });
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const answer = await web.app.request(`/api/v1/requests${path}`, {
      method, headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers }, ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: (text.startsWith('{') ? JSON.parse(text) : text) as Answer };
  };
  const taken = async (more: object = {}): Promise<string> => (await call('POST', '', anInput(more))).body.request;
  return { ...requests, ...web, call, taken };
}

describe('POST /api/v1/requests', () => {
  it('answers 201 with the request, its tasks and every omission with its reason', async () => {
    const { call } = await given();
    const { status, body, headers } = await call('POST', '', anInput({ identifiers: {} }));
    expect(status).toBe(201);
    expect(body).toEqual({
      request: expect.stringMatching(/^R-\d+$/), deadline: '2026-12-21T12:00:00.000Z', tasks: ['Newsletter'], look: `/api/v1/requests/${body.request}`,
      omitted: [
        { task: 'Accounts', reason: 'This task needs the identifier "uuid", which the request does not have.' },
        { task: 'Export', reason: 'This task is for requests of type "export", and this one is of type "delete".' },
      ],
    });
    expect(headers.get('location')).toBe(body.look);
    const whole = await call('GET', `/${body.request}`);
    expect(whole.body).toMatchObject({ request: body.request, state: 'inactive', email: 'ada@example.org', createdBy: 'api', tasks: [{ task: 'Accounts', state: 'omitted' }, { task: 'Newsletter', state: 'inactive' }, { task: 'Export', state: 'omitted' }] });
    expect((await call('POST', '', anInput({ email: 'b@example.org', request_due_date: '2026-12-01' }))).body.deadline).toBe('2026-12-01T00:00:00.000Z');
  });

  it('answers 400 with field, expected and found', async () => {
    const { call } = await given();
    const { status, body } = await call('POST', '', { email: 'nobody', request_type: 'delete', identifiers: { uuid: { a: 1 } }, detail: 1 });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'REQUEST_PROBLEMS', problems: expect.arrayContaining([
      { field: 'email', expected: 'an e-mail address of at most 254 characters', found: '"nobody"' },
      { field: 'request_date', expected: expect.stringContaining('a date such as 2010-01-16'), found: 'nothing' },
      { field: 'identifiers.uuid', expected: expect.stringContaining('text of at most 500'), found: '{"a":1}' },
      { field: 'detail', expected: expect.stringContaining('one of the fields'), found: 'a field of another name', nearest: 'details' },
    ]) });
    expect((await call('POST', '', '{"email": ')).body.error.problems).toMatchObject([{ field: 'request', expected: 'JSON' }]);
    expect((await call('POST', '', anInput({ request_type: 'remove' }))).body.error.problems).toMatchObject([{ field: 'request_type', found: '"remove"' }]);
    expect((await call('POST', '', anInput(), { 'content-type': 'text/plain' })).status).toBe(415);
  });

  it('answers 409 where the person has one of the type that is open', async () => {
    const { call } = await given();
    const first = await call('POST', '', anInput());
    const { status, body } = await call('POST', '', anInput({ email: 'ADA@example.org' }));
    expect(status).toBe(409);
    expect(body.error).toMatchObject({ code: 'DUPLICATE_REQUEST', request: first.body.request });
  });

  it('answers 413 to more than it reads, said in advance or not', async () => {
    const { app } = await given();
    const web = await serveWeb(app, { host: '127.0.0.1', port: 0 });
    onTestFinished(() => web.close());
    const send = (body: string | ReadableStream) => fetch(`${web.url}api/v1/requests`, { method: 'POST', headers: { 'content-type': 'application/json' }, body, duplex: 'half' } as RequestInit);
    expect((await send(JSON.stringify(anInput({ notes: 'x'.repeat(6_000_000) })))).status).toBe(413);
    const chunk = new TextEncoder().encode('x'.repeat(100_000));
    let sent = 0;
    const endless = new ReadableStream({ pull: (out) => void ((sent += chunk.length) > 400_000_000 ? out.close() : out.enqueue(chunk)) });
    // Whoever still sends may see the connection end before the answer.
    expect(await send(endless).then(({ status }) => status, () => 413)).toBe(413);
    expect(sent).toBeLessThan(100_000_000);
  });

  it('takes a file, JSON or CSV, whole or not at all', async () => {
    const { app, call } = await given();
    const upload = async (name: string, text: string) => {
      const form = new FormData();
      form.append('file', new Blob([text]), name);
      const answer = await app.request('/api/v1/requests', { method: 'POST', body: form });
      return { status: answer.status, body: (await answer.json()) as Answer };
    };
    expect(await upload('one.json', JSON.stringify(anInput()))).toMatchObject({ status: 201, body: { tasks: ['Accounts', 'Newsletter'] } });
    const csv = 'email,request_type,request_date,identifiers.uuid,details.country\nb@example.org,delete,2026-11-20,u-2,Norway\nc@example.org,Export,2026-11-20,n/a,\n';
    expect(await upload('many.csv', csv)).toMatchObject({ status: 201, body: { requests: [{ tasks: ['Accounts', 'Newsletter'] }, { tasks: ['Export'] }] } });
    expect(await upload('bad.csv', csv.replace('b@', 'd@').replace('c@example.org', 'nobody'))).toMatchObject({ status: 400, body: { error: { problems: [{ row: 3, field: 'email', found: '"nobody"' }] } } });
    expect((await call('GET', '')).body.requests).toHaveLength(3);
    const empty = await app.request('/api/v1/requests', { method: 'POST', body: new FormData() });
    expect(empty.status).toBe(400);
  });
});

describe('whatever is sent', () => {
  it('is taken or refused, and never breaks anything', { timeout: 60_000 }, async () => {
    const { call, taken, app } = await given();
    const name = await taken({ email: 'first@example.org' });
    const odd = fc.constantFrom('', '\0', '\ud800', 'x'.repeat(6000), '<script>', "' or 1=1 --", '\u202e', 'n/a');
    const text = fc.oneof(odd, fc.string({ unit: 'binary' }), fc.emailAddress(), fc.constant('delete'), fc.constant('2026-11-20'));
    const value: fc.Arbitrary<unknown> = fc.oneof(text, fc.jsonValue({ stringUnit: 'binary' }), fc.dictionary(text, fc.oneof(text, fc.jsonValue()), { maxKeys: 3 }));
    // Good but for some fields, so that what is odd gets past the first look.
    const request = fc.record({ email: fc.oneof(fc.emailAddress(), value), request_type: fc.constant('delete'), request_date: fc.constant('2026-11-20'), request_due_date: value, identifiers: fc.oneof(value, fc.dictionary(fc.constant('uuid'), text)), details: value, notes: text }, { requiredKeys: ['request_type', 'request_date'] });
    const act = fc.record({ by: text, reason: text, text, name: fc.oneof(text, fc.constant('uuid')), value: text, again: fc.boolean(), attempt: fc.nat(), seen: text }, { requiredKeys: [] });
    const acts = ['approve', 'withdraw-approval', 'comments', 'identifiers', 'tasks/Accounts/omit', 'tasks/Accounts/add', 'tasks/Accounts/run', 'tasks/%00/run', 'tasks/%ED%A0%80/run'];
    await fc.assert(fc.asyncProperty(fc.oneof(request, value), async (body) => {
      expect([201, 400, 409]).toContain((await call('POST', '', JSON.stringify(body))).status);
    }), { numRuns: 60 });
    await fc.assert(fc.asyncProperty(fc.constantFrom(...acts), act, async (path, body) => {
      expect([200, 202, 400, 404, 409]).toContain((await call('POST', `/${name}/${path}`, JSON.stringify(body))).status);
    }), { numRuns: 60 });
    await fc.assert(fc.asyncProperty(fc.constantFrom('text/csv', 'application/json', 'multipart/form-data; boundary=x', 'multipart/form-data', ''), fc.uint8Array({ maxLength: 200 }), async (type, bytes) => {
      const answer = await app.request('/api/v1/requests', { method: 'POST', headers: { 'content-type': type }, body: bytes as Uint8Array<ArrayBuffer> });
      expect([400, 415]).toContain(answer.status);
    }), { numRuns: 60 });
    for (const path of ['/%00', '/%00/approve', `/${name}/tasks/%00`]) expect((await call('GET', path)).status, path).toBe(404);
  });
});

describe('a task that is run now', () => {
  it('Td1, Td4: is answered with 202 and where to look, while it has not begun, and its end is recorded as it was', async () => {
    const done = Promise.withResolvers<string>();
    const { call, taken, work } = await given({ Accounts: { does: () => done.promise } });
    const name = await taken();
    await call('POST', `/${name}/approve`, { by: 'ada' });
    const { status, headers, body } = await call('POST', `/${name}/tasks/Accounts/run`);
    expect(status).toBe(202);
    expect(body).toMatchObject({ answer: 'started', look: `/api/v1/requests/${name}/tasks/Accounts` });
    const look = () => call('GET', headers.get('location')!.replace('/api/v1/requests', ''));
    expect((await look()).body).toMatchObject({ state: 'active', attempts: 0 });
    const working = work();
    await expect.poll(async () => (await look()).body.state).toBe('running');
    expect(await call('POST', `/${name}/tasks/Accounts/run`)).toMatchObject({ status: 202, body: { answer: 'running', attempt: 1 } });
    done.resolve('processed');
    await working;
    expect((await look()).body).toMatchObject({ state: 'success', attempts: 1, runs: [{ attempt: 1, outcome: 'finished', status: 'processed' }] });
    expect((await call('POST', `/${name}/tasks/Accounts/run`)).status).toBe(200);
    expect((await call('POST', `/${name}/tasks/Accounts/run`, { again: true })).status).toBe(202);
  });

  it('Td2: that fails before anything can be measured is recorded as failed, with the message', async () => {
    const { call, taken, work } = await given({ Accounts: { does: () => { throw new TypeError('no connection string'); } } });
    const name = await taken();
    await call('POST', `/${name}/approve`);
    await work();
    expect((await call('GET', `/${name}`)).body).toMatchObject({ state: 'fail', tasks: [{ state: 'fail', message: 'no connection string', attempts: 1, seconds: expect.any(Number) }] });
  });

  it('is refused where the request is not approved, and where nobody knows it', async () => {
    const { call, taken } = await given();
    const name = await taken();
    expect(await call('POST', `/${name}/tasks/Accounts/run`)).toMatchObject({ status: 409, body: { error: { code: 'REFUSED' } } });
    expect((await call('POST', `/${name}/tasks/Acounts/run`)).status).toBe(409);
    expect(await call('POST', '/R-0/approve')).toMatchObject({ status: 404, body: { error: { code: 'UNKNOWN_NAME' } } });
    expect((await call('GET', '/R-0')).status).toBe(404);
  });
});

describe('the list of a request', () => {
  it('is edited, approved, closed and commented on by programs too', async () => {
    const { call, taken } = await given();
    const name = await taken();
    expect((await call('POST', `/${name}/tasks/Accounts/omit`, {})).body.error.problems).toMatchObject([{ field: 'reason' }]);
    await call('POST', `/${name}/tasks/Accounts/omit`, { reason: 'known to nobody', by: 'ada' });
    await call('POST', `/${name}/tasks/Export/add`, { by: 'ada' });
    await call('POST', `/${name}/comments`, { text: 'asked twice', by: 'ada' });
    expect((await call('POST', `/${name}/approve`, { by: 'grace' })).body).toMatchObject({ state: 'active', approvedBy: 'person grace' });
    expect((await call('POST', `/${name}/approve`, { by: 'grace' })).status).toBe(409);
    expect((await call('POST', `/${name}/withdraw-approval`, { by: 'grace' })).body).toMatchObject({ state: 'inactive' });
    const { body } = await call('POST', `/${name}/close`, { by: 'grace', reason: 'withdrawn by the person' });
    expect(body.events.map((event) => `${event.kind} by ${event.by}`)).toEqual([
      'received by api', 'omitted by person ada', 'added by person ada', 'comment by person ada', 'approved by person grace', 'approval withdrawn by person grace', 'closed by person grace',
    ]);
    expect((await call('GET', '?state=done')).body.requests).toMatchObject([{ request: name, state: 'closed' }]);
    expect((await call('POST', `/${name}/approve`, '{"by": 7, "more": 1}')).status).toBe(400);
    expect((await call('GET', '/costs')).body).toEqual({ months: [] });
  });
});

describe('who may', () => {
  const TOKEN = 'a-token-of-some-length';
  const basic = (name: string, token: string) => ({ authorization: `Basic ${Buffer.from(`${name}:${token}`).toString('base64')}` });

  it('is everybody on this machine, but no page of another site', async () => {
    const { app } = await given();
    const post = (headers: Record<string, string>) => app.request('/api/v1/requests', { method: 'POST', body: JSON.stringify(anInput()), headers: { 'content-type': 'application/json', ...headers } });
    expect((await post({ 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await post({ origin: 'https://evil.example' })).status).toBe(403);
    expect((await post({ host: 'evil.example' })).status).toBe(403);
    expect((await post({})).status).toBe(201);
  });

  it('is nobody on other machines without a token, and with one only who knows it, of whom it is kept who they are', async () => {
    const closed = await given(TASKS, { host: '0.0.0.0' });
    for (const path of ['/api/v1/requests', '/requests', '/requests/new', '/board/']) expect((await closed.get(path)).status, path).toBe(403);
    expect((await closed.get('/healthz')).status).toBe(200);
    const { call, get } = await given(TASKS, { host: '0.0.0.0', apiToken: TOKEN });
    expect(await call('GET', '')).toMatchObject({ status: 401, body: { error: { code: 'TOKEN_NEEDED' } } });
    expect((await call('GET', '', undefined, { authorization: `Bearer ${TOKEN}x` })).status).toBe(401);
    expect((await call('GET', '', undefined, basic('ada', 'wrong'))).status).toBe(401);
    expect((await get('/requests')).headers.get('www-authenticate')).toContain('Basic');
    expect((await get('/board/', { authorization: `Bearer ${TOKEN}` })).status).toBe(200);
    const { body } = await call('POST', '', anInput(), { authorization: `Bearer ${TOKEN}` });
    expect((await call('POST', `/${body.request}/approve`, { by: 'mallory' }, basic('grace', TOKEN))).body).toMatchObject({ approvedBy: 'person grace' });
  });

  it('is asked nowhere that there are no tasks of requests', async () => {
    const { get } = await given(TASKS, { requests: false });
    expect((await get('/requests')).status).toBe(404);
    expect((await get('/api/v1/requests')).status).toBe(404);
    expect(await (await get('/')).text()).not.toContain('>Requests<');
  });
});
