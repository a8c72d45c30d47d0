import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { PermanentError } from '../../src/errors.ts';
import { failureFinder } from '../../src/notices/failure-finder.ts';
import { FailureMail, FailureWebhook } from '../../src/notices/failure-notice.ts';
import { HttpRequest } from '../../src/notices/http-request.ts';
import type { NoticeSettings } from '../../src/notices/channels.ts';
import type { OnFailure } from '../../src/runner/on-failure.ts';
import { SystemTaskRunner, type TaskRunner } from '../../src/runner/runner.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from '../jobs/job-world.ts';
import { ScriptedJob } from '../jobs/scripted-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** A mail server at a free port of this machine; `refusals` are the answers that it gives first. */
async function givenMailServer(refusals: readonly number[] = []): Promise<{ url: string; mails: { to: string[]; text: string }[] }> {
  const mails: { to: string[]; text: string }[] = [];
  const left = [...refusals];
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onAuth: ({ username, password }, _session, done) => done(username === 'me' && password === 'geheim22' ? null : new Error('no'), { user: 'me' }),
    onData: (stream, { envelope }, done) => void text(stream).then((content) => {
      const refusal = left.shift();
      if (refusal !== undefined) return done(Object.assign(new Error('not now'), { responseCode: refusal }));
      mails.push({ to: envelope.rcptTo.map(({ address }) => address), text: content });
      return done();
    }),
  });
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  return { url: `smtp://me:geheim22@127.0.0.1:${(server.server.address() as AddressInfo).port}`, mails };
}

/** A server that keeps what is sent to it, and answers with these codes, then with 200. */
async function givenWebhook(codes: readonly number[] = []): Promise<{ url: string; heard: { body: Record<string, unknown>; key: unknown }[] }> {
  const heard: { body: Record<string, unknown>; key: unknown }[] = [];
  const left = [...codes];
  const server = createServer((request, response) => void text(request).then((body) => {
    heard.push({ body: JSON.parse(body) as Record<string, unknown>, key: request.headers['idempotency-key'] });
    response.writeHead(left.shift() ?? 200).end();
  })).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/T0/secret-path`, heard };
}

class Failing extends ScriptedJob {
  override readonly onFailure: OnFailure;
  constructor(onFailure: OnFailure, does: ConstructorParameters<typeof ScriptedJob>[1] = () => { throw new PermanentError('no paper; password=geheim22 at postgresql://me:geheim22@db'); }) {
    super('Failing', does);
    this.onFailure = onFailure;
  }
}

/** A daemon's part: jobs run, and failures are looked for on demand. */
async function givenWorld(job: ScriptedJob, settings: Partial<NoticeSettings>, more: readonly TaskRunner[] = []) {
  const whole: NoticeSettings = { smtpUrl: undefined, mailFrom: 'afterglow@obs.example', onFailure: { mail: [], webhook: undefined }, ...settings };
  const notices = { runners: [job, new HttpRequest(), ...more], settings: whole, env: { SMTP: whole.smtpUrl } };
  // Without waiting, so that the test needs not either.
  const tellers = [Object.assign(new FailureMail(notices), { retry: { attempts: 8, baseSeconds: 0 } }), Object.assign(new FailureWebhook(notices), { retry: { attempts: 8, baseSeconds: 0 } })];
  const runners = [...notices.runners, ...tellers];
  const world = await createJobWorld(database, runners);
  await database.em().execute(`update transition_reader set read_to = '-infinity', mark_at = null, mark_xid = null`);
  const { look } = failureFinder(runners, whole);
  await look!(database.em());
  await look!(database.em());
  await world.work();
  const told = async () => (await world.jobs.list({ names: ['failure mail', 'failure webhook'] })).map(({ name, state, result, reason }) => ({ name, state, result, reason }));
  return {
    ...world, told, look: () => look!(database.em()),
    /** Enqueues jobs and waits until they have ended. */
    async fail(count = 1) {
      const jobs = [];
      for (let n = 0; n < count; n += 1) jobs.push(await world.jobs.enqueue(job, { n }));
      for (const one of jobs) await world.jobs.wait(one, { timeoutSeconds: 30 }).catch(() => {});
      return jobs.map(({ id }) => id);
    },
    /** Resolves when nothing of the telling is open. */
    settled: () => expect.poll(async () => (await told()).filter(({ state }) => state === 'pending' || state === 'running').length, { timeout: 30_000 }).toBe(0),
  };
}

describe('F24: a final failure', () => {
  test('is told by mail and webhook, once, without secrets', async () => {
    const [mail, webhook] = [await givenMailServer(), await givenWebhook()];
    const { fail, look, settled, told } = await givenWorld(new Failing({ mail: ['dora@obs.example', 'pi@obs.example'], webhook: webhook.url }), { smtpUrl: mail.url });
    const [id] = await fail();
    expect(await Promise.all([look(), look(), look()])).toSatisfy((counts: number[]) => counts.reduce((sum, count) => sum + count, 0) === 1);
    expect(await look()).toBe(0);
    await settled();
    expect(mail.mails).toHaveLength(1);
    const [{ to, text: content }] = mail.mails as [{ to: string[]; text: string }];
    expect(to).toEqual(['dora@obs.example', 'pi@obs.example']);
    expect(content).toMatch(/^Subject: =\?UTF-8\?Q\?=5Bafterglow=5D_=22Failing=22/m);
    expect(content).toContain(`"Failing", job ${id}, failed: failed.`);
    expect(content).toContain('no paper; password=[redacted] at postgresql://me:[redacted]@db');
    expect(content).toContain(`afterglow jobs requeue ${id}`);
    expect(content).not.toContain('geheim22');
    expect(webhook.heard).toEqual([{ key: 'afterglow-notice-1', body: expect.objectContaining({ event: 'failure', task: 'Failing', subject: id, attempt: 1, status: 'failed', heldBack: 0, text: expect.stringContaining('no paper') as string }) as Record<string, unknown> }]);
    expect(JSON.stringify(webhook.heard)).not.toContain('geheim22');
    // What is kept of it in the database has neither the path of the webhook nor a password.
    const kept = JSON.stringify(await database.em().execute(`select s.data, a.* from subject s join attempt a on a.subject_id = s.id where s.kind like 'job:failure%'`));
    expect(kept).not.toContain('secret-path');
    expect(kept).not.toContain('geheim22');
    expect(await told()).toMatchObject([{ state: 'completed' }, { state: 'completed' }]);
  });

  test('is told of again when what failed was done again and failed again', async () => {
    const webhook = await givenWebhook();
    const { fail, look, jobs, settled } = await givenWorld(new Failing({ webhook: webhook.url }), {});
    const [id] = await fail();
    await look();
    await jobs.requeue(id!);
    await jobs.wait(id!, { timeoutSeconds: 30 }).catch(() => {});
    await look();
    await settled();
    expect(webhook.heard.map(({ body }) => body.attempt)).toEqual([1, 2]);
  });

  test('is told of when the server that is to hear of it answers again: 5xx and 4yz are tried again, 4xx and 5yz are not', async () => {
    const [mail, webhook] = [await givenMailServer([451]), await givenWebhook([503, 429])];
    const { fail, look, settled, told } = await givenWorld(new Failing({ mail: 'dora@obs.example', webhook: webhook.url }), { smtpUrl: mail.url });
    await fail();
    await look();
    await settled();
    expect(mail.mails).toHaveLength(1);
    expect(webhook.heard).toHaveLength(3);
    expect(new Set(webhook.heard.map(({ key }) => key)).size).toBe(1);
    const [refusing, gone] = [await givenMailServer([550]), await givenWebhook([404])];
    const other = await givenWorld(new Failing({ mail: 'dora@obs.example', webhook: gone.url }), { smtpUrl: refusing.url });
    await other.fail();
    await other.look();
    await other.settled();
    expect(gone.heard).toHaveLength(1);
    expect(await other.told()).toMatchObject([{ state: 'failed' }, { state: 'failed' }]);
    expect(await told()).toHaveLength(2);
  });

  test('is told of so often in an hour and no more; the next notice says how many there were', async () => {
    const webhook = await givenWebhook();
    const { fail, look, settled } = await givenWorld(new Failing({ webhook: webhook.url, mostPerHour: 2 }), {});
    await fail(5);
    expect(await look()).toBe(5);
    await settled();
    expect(webhook.heard).toHaveLength(2);
    await database.em().execute(`update notice set noticed_at = noticed_at - interval '2 hours'`);
    await fail();
    await look();
    await settled();
    expect(webhook.heard.at(-1)!.body).toMatchObject({ heldBack: 3 });
  });

  test('is told as the settings say, where the runner names nobody; cancelled jobs, and attempts that are made again, are none', async () => {
    const webhook = await givenWebhook();
    const job = new Failing({}, async ({ n }, { signal }) => {
      if (n === 0) return 'well';
      if (n === 1) throw new PermanentError('no');
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    });
    const { look, jobs, settled } = await givenWorld(job, { onFailure: { mail: [], webhook: webhook.url } });
    const all = [await jobs.enqueue(job, { n: 0 }), await jobs.enqueue(job, { n: 1 })];
    const running = await jobs.enqueue(job, { n: 2 });
    await expect.poll(async () => (await jobs.get(running)).state, { timeout: 30_000 }).toBe('running');
    await jobs.cancel(running, 'enough');
    for (const one of [...all, running]) await jobs.wait(one, { timeoutSeconds: 30 }).catch(() => {});
    expect(await look()).toBe(1);
    await settled();
    expect(webhook.heard.map(({ body }) => body.subject)).toEqual([all[1]!.id]);
  });

  test('of a runner without an object is told too, once for each tick', async () => {
    const webhook = await givenWebhook();
    class Chore extends SystemTaskRunner {
      readonly taskName = 'Chore';
      readonly schedule = 3600;
      override readonly onFailure = { webhook: webhook.url };
      runProcess(): void {}
    }
    const { look, settled } = await givenWorld(new Failing({}), {}, [new Chore()]);
    const em = database.em();
    await em.execute(`insert into task (name, kind) values ('Chore', 'system')`);
    await em.execute(`insert into tick (runner, slot, cause, daemon_id, ended_at, outcome, error) select 'Chore', clock_timestamp(), 'person', 1, clock_timestamp(), o, '{"message": "disk full"}' from unnest(array['failed', 'finished', 'timed out']) o`);
    expect(await look()).toBe(2);
    expect(await look()).toBe(0);
    await settled();
    expect(webhook.heard.map(({ body }) => body).toSorted((one, other) => (String(one.status) < String(other.status) ? -1 : 1))).toMatchObject([
      { task: 'Chore', kind: 'system', subject: '', status: 'failed', reason: 'disk full', text: '"Chore" failed: failed: disk full' }, { status: 'timed out' },
    ]);
  });

  test('from before somebody wanted to be told is not told', async () => {
    const webhook = await givenWebhook();
    const job = new Failing({ webhook: webhook.url });
    const world = await givenWorld(job, {});
    await world.fail();
    await database.em().execute(`update transition_reader set read_to = '-infinity', mark_at = null, mark_xid = null`);
    expect(await world.look()).toBe(0);
    expect(await world.look()).toBe(0);
    expect(await world.look()).toBe(0);
    await world.fail();
    expect(await world.look()).toBe(1);
  });
});

test('who wants mail where there is no mail server is told at the start', () => {
  const settings = { smtpUrl: undefined, mailFrom: 'a@b', onFailure: { mail: [], webhook: undefined } };
  expect(failureFinder([new Failing({ mail: 'dora@obs.example' })], settings)).toEqual({ warnings: [expect.stringContaining('AFTERGLOW_SMTP_URL')], look: undefined });
  expect(failureFinder([new Failing({})], settings).warnings).toEqual([]);
});

test('C25: the job "http request" gives what came back, and is tried again where that may help', async () => {
  const request = Object.assign(new HttpRequest(), { retry: { attempts: 5, baseSeconds: 0 } });
  const { jobs, work } = await createJobWorld(database, [request]);
  await work();
  const webhook = await givenWebhook([500, 404]);
  const job = await jobs.enqueue(request, { url: webhook.url, data: { a: 1 } });
  expect(await jobs.wait(job, { timeoutSeconds: 30 })).toEqual({ successful: false, statusCode: 404, response: '' });
  expect((await jobs.get(job)).attempts).toBe(2);
  await expect(jobs.enqueue(request, { url: 'file:///etc/passwd' })).rejects.toMatchObject({ name: 'JobArgumentsError' });
});
