import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { auditRegister } from '../../src/db/audit.ts';
import { liftHolds } from '../../src/engine/hold.ts';
import { letGo } from '../../src/engine/due.ts';
import { resetEntries } from '../../src/engine/reset.ts';
import { DuplicateRequestError, RefusedError, RequestProblemsError, UnknownNameError } from '../../src/errors.ts';
import { approve, close, withdrawApproval } from '../../src/requests/approve.ts';
import { comment } from '../../src/requests/comment.ts';
import { readCosts } from '../../src/requests/costs.ts';
import type { Desk } from '../../src/requests/desk.ts';
import { addTask, omitTask } from '../../src/requests/edit-list.ts';
import { identify } from '../../src/requests/identify.ts';
import { readAttempts, readRequest, readRequests } from '../../src/requests/report.ts';
import { runNow } from '../../src/requests/run-now.ts';
import { takeIn } from '../../src/requests/take-in.ts';
import { createDatabase } from '../harness.ts';
import { anInput, clockAt, forgetAfterwards, givenRequests } from './given.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const TASKS = { Accounts: { needs: ['uuid'] }, Newsletter: {}, Export: { types: ['export'] } };
const states = async (name: string) => Object.fromEntries((await readRequest(database.hot.run, name)).tasks.map(({ task, state }) => [task, state]));
const by = 'person ada';
const takeOne = async (desk: Desk, more: object = {}): Promise<string> => (await takeIn(desk, [anInput(more)], by))[0]!.name;

describe('a request that comes in', () => {
  it('gets the tasks for its type, and every other one is omitted with the reason', async () => {
    forgetAfterwards(database);
    const { desk } = await givenRequests(database, { ...TASKS, Off: { active: false } });
    const [taken] = await takeIn(desk, [anInput({ identifiers: {} })], by);
    expect(taken).toEqual({
      name: expect.stringMatching(/^R-\d+$/), deadline: new Date('2026-12-21T12:00:00Z'), tasks: ['Newsletter'],
      omitted: [
        { task: 'Accounts', reason: 'This task needs the identifier "uuid", which the request does not have.' },
        { task: 'Export', reason: 'This task is for requests of type "export", and this one is of type "delete".' },
        { task: 'Off', reason: 'This task is not active.' },
      ],
    });
    const { tasks } = await readRequest(database.hot.run, taken!.name);
    expect(tasks.map(({ task, state, reason }) => ({ task, state, reason }))).toEqual([
      { task: 'Accounts', state: 'omitted', reason: taken!.omitted[0]!.reason },
      { task: 'Newsletter', state: 'inactive', reason: null },
      { task: 'Export', state: 'omitted', reason: taken!.omitted[1]!.reason },
      { task: 'Off', state: 'omitted', reason: taken!.omitted[2]!.reason },
    ]);
  });

  it('Td5: raises nothing where its identifiers are missing altogether and the tasks that need them are inactive', async () => {
    forgetAfterwards(database);
    const { desk } = await givenRequests(database, { Accounts: { needs: ['uuid', 'chorus_id'], active: false }, Export: { types: ['export'], needs: ['uuid'] } });
    const [first, second] = await takeIn(desk, [anInput({ identifiers: undefined }), anInput({ email: 'b@example.org', identifiers: { chorus_id: 'n/a', uuid: null } })], by);
    expect([first!.tasks, second!.tasks]).toEqual([[], []]);
    expect(second!.omitted.map(({ task }) => task)).toEqual(['Accounts', 'Export']);
  });

  it('decides by each task and each identifier alone', async () => {
    forgetAfterwards(database);
    const { desk } = await givenRequests(database, { Chorus: { needs: ['chorus_id'] }, Analytics: { needs: ['ga_clientid'] } });
    const taken = await takeIn(desk, [
      anInput({ email: 'a@example.org', identifiers: { chorus_id: 7 } }), anInput({ email: 'b@example.org', identifiers: { ga_clientid: 'GA1' } }),
      anInput({ email: 'c@example.org', identifiers: { chorus_id: 7, ga_clientid: 'GA1' } }),
    ], by);
    expect(taken.map(({ tasks }) => tasks)).toEqual([['Chorus'], ['Analytics'], ['Chorus', 'Analytics']]);
  });

  it('is refused while the same person has one of the same type that is open, whoever else comes at the same moment', async () => {
    forgetAfterwards(database);
    const { desk, work } = await givenRequests(database, TASKS);
    const ends = await Promise.allSettled([takeIn(desk, [anInput()], by), takeIn(desk, [anInput({ email: 'ADA@example.org' })], by)]);
    const taken = ends.filter((end) => end.status === 'fulfilled').flatMap(({ value }) => value);
    expect(taken).toHaveLength(1);
    expect((ends.find(({ status }) => status === 'rejected') as PromiseRejectedResult).reason).toBeInstanceOf(DuplicateRequestError);
    await takeIn(desk, [anInput({ request_type: 'export' })], by);
    await approve(desk, { request: taken[0]!.name, by });
    await expect(takeIn(desk, [anInput()], by)).rejects.toThrow(`This person has a request of type "delete" already, ${taken[0]!.name}, which is still open`);
    await work();
    expect((await readRequest(database.hot.run, taken[0]!.name)).state).toBe('success');
    await expect(takeIn(desk, [anInput()], by)).resolves.toHaveLength(1);
  });

  it('is taken with all others of its list, or none is', async () => {
    forgetAfterwards(database);
    const { desk } = await givenRequests(database, TASKS);
    const wrong = takeIn(desk, [anInput(), anInput({ email: 'nobody', request_type: 'deletion', request_dat: 1 }), 7], by);
    await expect(wrong).rejects.toBeInstanceOf(RequestProblemsError);
    await expect(wrong).rejects.toMatchObject({ problems: [
      { row: 2, field: 'email', expected: 'an e-mail address of at most 254 characters', found: '"nobody"' },
      { row: 2, field: 'request_dat', nearest: 'request_date' },
      { row: 3, field: 'request', expected: 'a request, an object', found: '7' },
    ] });
    await expect(takeIn(desk, [anInput(), anInput({ email: 'Ada@Example.org' })], by)).rejects.toThrow('number 1 of the same list');
    expect(await readRequests(database.hot.run, 'open')).toEqual([]);
  });

  it('of a type that no task is for is refused, with the nearest one', async () => {
    forgetAfterwards(database);
    const { desk } = await givenRequests(database, TASKS);
    await expect(takeIn(desk, [anInput({ request_type: 'Delet' })], by)).rejects.toMatchObject({ problems: [{ field: 'request_type', expected: 'one of the types "delete", "export"', nearest: 'delete' }] });
  });
});

describe('a list of tasks', () => {
  it('starts only when a person approves it, and keeps who and when', async () => {
    forgetAfterwards(database);
    const { desk, work } = await givenRequests(database, TASKS);
    const name = await takeOne(desk);
    await work();
    expect(await states(name)).toEqual({ Accounts: 'inactive', Newsletter: 'inactive', Export: 'omitted' });
    expect((await readRequest(database.hot.run, name)).waits.Accounts![0]).toMatch(/held by requests since .*: waits for approval\.$/);
    await approve(desk, { request: name, by: 'person grace' });
    expect(await states(name)).toMatchObject({ Accounts: 'active', Newsletter: 'active' });
    await work();
    const done = await readRequest(database.hot.run, name);
    expect(done).toMatchObject({ state: 'success', approvedBy: 'person grace', approvedAt: expect.any(String), completedAt: expect.any(String) });
    expect(done.events.map(({ kind, by: who }) => [kind, who])).toEqual([['received', by], ['approved', 'person grace']]);
    await expect(approve(desk, { request: name, by })).rejects.toThrow('was approved by person grace');
  });

  it('cannot be let go by lifting its hold, nor by a hold that ends by itself', async () => {
    forgetAfterwards(database);
    const { desk, work } = await givenRequests(database, TASKS);
    const name = await takeOne(desk);
    await expect(liftHolds(database, { subjects: [name] })).rejects.toThrow(new RefusedError(`${name} waits for approval: approve it, and it is let go.`));
    await database.em().execute(`update hold set reason = 'lunch', placed_by = 'person ada', until = now()`);
    await letGo(database.hot.run);
    await work();
    expect((await readRequest(database.hot.run, name)).waits.Accounts![0]).toContain('held by requests');
    expect(await states(name)).toMatchObject({ Accounts: 'inactive' });
    await database.em().execute(`delete from subject where name = ?`, [name]);
    expect(await database.em().execute(`select from hold`)).toEqual([]);
  });

  it('can be edited: a task taken off with a reason, an omitted one put on', async () => {
    forgetAfterwards(database);
    const { desk, work } = await givenRequests(database, { ...TASKS, Off: { active: false } });
    const name = await takeOne(desk);
    await omitTask(desk, { request: name, task: 'Newsletter', by }, 'they never had one');
    await addTask(desk, { request: name, task: 'Export', by });
    await expect(addTask(desk, { request: name, task: 'Off', by })).rejects.toThrow('This task is not active.');
    await expect(addTask(desk, { request: name, task: 'Accounts', by })).rejects.toThrow('is on the list');
    await expect(omitTask(desk, { request: name, task: 'Newslettr', by }, 'x')).rejects.toBeInstanceOf(UnknownNameError);
    await approve(desk, { request: name, by });
    await work();
    expect(await states(name)).toEqual({ Accounts: 'success', Newsletter: 'omitted', Export: 'success', Off: 'omitted' });
    await expect(omitTask(desk, { request: name, task: 'Accounts', by }, 'too late')).rejects.toThrow('cannot be omitted any more');
    const { tasks, events } = await readRequest(database.hot.run, name);
    expect(tasks.find(({ task }) => task === 'Newsletter')!.reason).toBe('they never had one');
    expect(events.map(({ kind, task }) => [kind, task])).toEqual([['received', null], ['omitted', 'Newsletter'], ['added', 'Export'], ['approved', null]]);
  });

  it('keeps what is omitted off it, whatever is reset', async () => {
    forgetAfterwards(database);
    const { desk, work } = await givenRequests(database, TASKS);
    const name = await takeOne(desk);
    await approve(desk, { request: name, by });
    await work();
    expect((await resetEntries(database.em(), { subjects: [name] }, by)).map(({ task }) => task)).toEqual(['Accounts', 'Newsletter']);
    expect(await resetEntries(database.em(), { statuses: ['omitted'] }, by)).toEqual([]);
    await work();
    expect(await states(name)).toEqual({ Accounts: 'success', Newsletter: 'success', Export: 'omitted' });
  });

  it('is approved as it was seen, not as somebody has made it since', async () => {
    forgetAfterwards(database);
    const { desk } = await givenRequests(database, TASKS);
    const name = await takeOne(desk);
    const seen = (await readRequest(database.hot.run, name)).events.at(-1)!.id;
    await omitTask(desk, { request: name, task: 'Accounts', by: 'person eve' }, 'no');
    await expect(approve(desk, { request: name, by, seen })).rejects.toThrow('was changed since you looked at it (omitted by person eve)');
    await comment(desk, { request: name, by, text: ' a remark ' });
    const now = (await readRequest(database.hot.run, name)).events.findLast(({ kind }) => kind !== 'comment')!.id;
    await approve(desk, { request: name, by, seen: now });
  });

  it('loses its approval before anything has run, and no later', async () => {
    forgetAfterwards(database);
    const { desk, work } = await givenRequests(database, TASKS);
    const name = await takeOne(desk);
    await expect(withdrawApproval(desk, { request: name, by })).rejects.toThrow('is not approved');
    await approve(desk, { request: name, by });
    await withdrawApproval(desk, { request: name, by: 'person grace' });
    await work();
    expect(await states(name)).toMatchObject({ Accounts: 'inactive' });
    await approve(desk, { request: name, by });
    await work();
    await expect(withdrawApproval(desk, { request: name, by })).rejects.toThrow('has begun already');
  });

  it('runs the last tasks after all others, omitted ones among them, and the closing one after those', async () => {
    forgetAfterwards(database);
    const order: string[] = [];
    const does = (name: string) => () => {
      order.push(name);
      return 'processed';
    };
    const { desk, work, runner } = await givenRequests(database, {
      Letter: { closes: true, does: does('Letter') }, Sweep: { last: true, does: does('Sweep') }, Accounts: { needs: ['uuid'], does: does('Accounts') },
      Newsletter: { needs: ['list'], does: does('Newsletter') }, Second: { prerequisites: { Accounts: ['processed', 'omitted'] }, does: does('Second') },
    });
    const name = await takeOne(desk);
    runner('Second').does = () => 'failed';
    await approve(desk, { request: name, by });
    await work();
    expect(order).toEqual(['Accounts']);
    expect(await states(name)).toEqual({ Accounts: 'success', Newsletter: 'omitted', Second: 'fail', Sweep: 'active', Letter: 'active' });
    await expect(runNow(desk, { request: name, task: 'Sweep', by })).rejects.toThrow('waits for another task, and runs after it by itself');
    runner('Second').does = does('Second');
    await runNow(desk, { request: name, task: 'Second', by });
    await work();
    expect(order).toEqual(['Accounts', 'Second', 'Sweep', 'Letter']);
    expect((await readRequest(database.hot.run, name)).state).toBe('success');
  });

  it('leaves a task that came later to a person, where the request was approved without it', async () => {
    forgetAfterwards(database);
    const before = await givenRequests(database, TASKS);
    const [open, approved] = await takeIn(before.desk, [anInput(), anInput({ email: 'b@example.org' })], by);
    await approve(before.desk, { request: approved!.name, by });
    await before.work();
    const after = await givenRequests(database, { ...TASKS, Backups: {}, Archive: { types: ['export'] } });
    await after.work();
    expect(await states(approved!.name)).toMatchObject({ Accounts: 'success', Backups: 'omitted' });
    expect((await readRequest(database.hot.run, approved!.name)).state).toBe('success');
    expect(await states(open!.name)).toMatchObject({ Backups: 'inactive', Archive: 'omitted' });
    await addTask(after.desk, { request: approved!.name, task: 'Backups', by });
    await after.work();
    expect(await states(approved!.name)).toMatchObject({ Backups: 'success' });
  });

  it('grows when an identifier is found out, but for what a person took off', async () => {
    forgetAfterwards(database);
    const { desk, work, runner } = await givenRequests(database, { Accounts: { needs: ['uuid'] }, Chorus: { needs: ['uuid', 'chorus'] }, Analytics: { needs: ['uuid'] }, Newsletter: {} });
    const name = await takeOne(desk, { identifiers: {} });
    await expect(omitTask(desk, { request: name, task: 'Analytics', by }, 'x')).rejects.toThrow('is omitted already');
    expect(await identify(desk, { request: name, by }, 'chorus', '7')).toEqual([]);
    await identify(desk, { request: name, by }, 'uuid', ' u-1 ').then((added) => expect(added).toEqual(['Accounts', 'Chorus', 'Analytics']));
    await omitTask(desk, { request: name, task: 'Analytics', by }, 'a mistake');
    await identify(desk, { request: name, by }, 'uuid', 'u-2');
    await expect(identify(desk, { request: name, by }, 'uuid', 'n/a')).rejects.toBeInstanceOf(RefusedError);
    let given: unknown;
    runner('Accounts').does = ({ identifiers }) => ((given = identifiers), 'processed');
    await approve(desk, { request: name, by });
    await work();
    expect(given).toEqual({ uuid: 'u-2', chorus: '7' });
    expect(await states(name)).toEqual({ Accounts: 'success', Chorus: 'success', Analytics: 'omitted', Newsletter: 'success' });
  });

  it("Td10: keeps the window of a task's row, whatever is edited", async () => {
    forgetAfterwards(database);
    const { desk, work } = await givenRequests(database, { Accounts: {}, Night: { window: { opens: '00:00:00', closes: '00:00:01', zone: 'UTC' } } });
    const name = await takeOne(desk);
    await omitTask(desk, { request: name, task: 'Night', by }, 'not now');
    await addTask(desk, { request: name, task: 'Night', by });
    await approve(desk, { request: name, by });
    await work();
    expect(await states(name)).toEqual({ Accounts: 'success', Night: 'active' });
    expect((await readRequest(database.hot.run, name)).waits.Night!.join()).toContain('runs from 00:00:00 to 00:00:01 (UTC)');
  });
});

describe('batches', () => {
  it('keep costly tasks until the next one opens, and say so; a person may release one', async () => {
    forgetAfterwards(database);
    // The batch that follows this time has opened by the database's clock.
    const clock = clockAt('2026-01-02T12:00:00Z');
    const { desk, work } = await givenRequests(database, { Accounts: {}, Backups: { batch: 'monthly' }, Logs: { batch: 'weekly' } }, clock);
    const [first, second] = await takeIn(desk, [anInput(), anInput({ email: 'b@example.org' })], by);
    clock.set(new Date(Date.now() + 86_400_000).toISOString());
    await approve(desk, { request: first!.name, by });
    await work();
    expect(await states(first!.name)).toEqual({ Accounts: 'success', Backups: 'active', Logs: 'active' });
    expect((await readRequest(database.hot.run, first!.name)).waits.Logs!.join()).toMatch(/^It waits until .*: for the next weekly batch/);
    await letGo(database.hot.run);
    await work();
    expect(await states(first!.name)).toMatchObject({ Backups: 'active' });
    expect(await runNow(desk, { request: first!.name, task: 'Backups', by })).toMatchObject({ answer: 'started' });
    await work();
    expect(await states(first!.name)).toMatchObject({ Backups: 'success', Logs: 'active' });
    clock.set('2026-01-02T12:00:00Z');
    await approve(desk, { request: second!.name, by });
    expect(await states(second!.name)).toMatchObject({ Backups: 'active' });
    await letGo(database.hot.run);
    await work();
    expect(await states(second!.name)).toMatchObject({ Backups: 'success', Logs: 'success' });
  });
});

describe('one task', () => {
  it('that is claimed while a person edits the list is seen as running', async () => {
    forgetAfterwards(database);
    const { desk } = await givenRequests(database, { Accounts: {} });
    const name = await takeOne(desk);
    await approve(desk, { request: name, by });
    const claimer = await database.connect('claimer');
    onTestFinished(() => claimer.end());
    await claimer.query('begin');
    await claimer.query(`update task_register set status_id = 2, cause = 'claim', attempt = 1, lease_owner = 1, lease_until = now() + interval '1 hour'`);
    const acts = Promise.allSettled([omitTask(desk, { request: name, task: 'Accounts', by }, 'x'), withdrawApproval(desk, { request: name, by }), close(desk, { request: name, by, reason: 'x' })]);
    await expect.poll(async () => (await database.em().execute(`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)).length).toBe(3);
    await claimer.query('commit');
    expect((await acts).map((end) => (end as PromiseRejectedResult).reason?.message as string)).toEqual([
      expect.stringContaining('is running, attempt 1'), expect.stringContaining('has begun already'), expect.stringContaining('is running; cancel it first'),
    ]);
  });

  it('Td3: runs once, however often it is asked for', async () => {
    forgetAfterwards(database);
    let runs = 0;
    const { desk, work, runner } = await givenRequests(database, { Accounts: {} });
    runner('Accounts').does = () => ((runs += 1), 'failed');
    const name = await takeOne(desk);
    const ask = { request: name, task: 'Accounts', by };
    await expect(runNow(desk, ask)).rejects.toThrow('waits for approval');
    await approve(desk, { request: name, by });
    await work();
    runner('Accounts').does = () => ((runs += 1), 'processed');
    await Promise.all([runNow(desk, ask, { attempt: 1 }), runNow(desk, ask, { attempt: 1 })]);
    await work();
    expect(await runNow(desk, ask, { attempt: 1, again: true })).toMatchObject({ answer: 'running', message: expect.stringContaining('has been run since you looked at it') });
    await work();
    expect(runs).toBe(2);
  });

  it('T14: is not done twice where it succeeded, unless that is asked for', async () => {
    forgetAfterwards(database);
    let runs = 0;
    const { desk, work } = await givenRequests(database, { Accounts: { does: () => ((runs += 1), 'processed') } });
    const name = await takeOne(desk);
    await approve(desk, { request: name, by });
    await work();
    expect(await runNow(desk, { request: name, task: 'Accounts', by })).toMatchObject({ answer: 'done', message: expect.stringMatching(/was done at 20\d\d-/) });
    await work();
    expect(runs).toBe(1);
    expect(await runNow(desk, { request: name, task: 'Accounts', by }, { again: true })).toMatchObject({ answer: 'started' });
    await work();
    expect(runs).toBe(2);
    expect((await readRequest(database.hot.run, name)).events.map(({ kind }) => kind)).toEqual(['received', 'approved', 'run']);
  });

  it('Td11: keeps message, cost and duration of every attempt, and who asked for it', async () => {
    forgetAfterwards(database);
    const { desk, work, runner } = await givenRequests(database, { Accounts: {} });
    runner('Accounts').does = () => ({ status: 'failed', result: { message: 'the store was locked' }, cost: 2.5 });
    const name = await takeOne(desk);
    await approve(desk, { request: name, by });
    await work();
    runner('Accounts').does = () => {
      throw new TypeError('a defect');
    };
    await runNow(desk, { request: name, task: 'Accounts', by });
    await work();
    runner('Accounts').does = () => ({ status: 'processed', result: '12 rows deleted', cost: 1 });
    await runNow(desk, { request: name, task: 'Accounts', by });
    await work();
    const attempts = await readAttempts(database.hot.run, name, 'Accounts');
    expect(attempts.map(({ attempt, message, cost, status }) => ({ attempt, message, cost, status }))).toEqual([
      { attempt: 3, message: '12 rows deleted', cost: 1, status: 'processed' },
      { attempt: 2, message: 'a defect', cost: null, status: 'failed' },
      { attempt: 1, message: 'the store was locked', cost: 2.5, status: 'failed' },
    ]);
    expect(attempts.every(({ seconds }) => seconds !== null && seconds >= 0)).toBe(true);
    expect(await readRequest(database.hot.run, name)).toMatchObject({ cost: 3.5, tasks: [{ message: '12 rows deleted', attempts: 3, cost: 3.5 }] });
    expect(await readCosts(database.hot.run)).toMatchObject([{ month: new Date().toISOString().slice(0, 7), cost: 3.5, attempts: 3, requests: 1, tasks: [{ task: 'Accounts', cost: 3.5, attempts: 3 }] }]);
  });
});

describe('completion', () => {
  it('Td7: is no state of a request without tasks, which cannot be approved either', async () => {
    forgetAfterwards(database);
    const { desk } = await givenRequests(database, { Accounts: { needs: ['uuid'] } });
    const name = await takeOne(desk, { identifiers: {} });
    expect(await readRequest(database.hot.run, name)).toMatchObject({ state: 'inactive', completedAt: null });
    await expect(approve(desk, { request: name, by })).rejects.toThrow('has no task to do');
    expect((await readRequests(database.hot.run, 'open')).map(({ request }) => request)).toEqual([name]);
    expect(await readRequests(database.hot.run, 'done')).toEqual([]);
    await close(desk, { request: name, by, reason: 'nobody knows this person' });
    await expect(approve(desk, { request: name, by })).rejects.toBeInstanceOf(RefusedError);
    await expect(liftHolds(database, { subjects: [name] })).rejects.toThrow('is closed');
    expect(await readRequests(database.hot.run, 'done')).toMatchObject([{ request: name, state: 'closed', closeReason: 'nobody knows this person' }]);
  });

  it('is no state of a request either whose last task a person took off after the approval', async () => {
    forgetAfterwards(database);
    const { desk } = await givenRequests(database, { Accounts: { active: true } });
    const name = await takeOne(desk);
    await approve(desk, { request: name, by });
    await omitTask(desk, { request: name, task: 'Accounts', by }, 'the wrong person');
    expect(await readRequest(database.hot.run, name)).toMatchObject({ state: 'active', completedAt: null });
    expect((await readRequests(database.hot.run, 'open')).map(({ request }) => request)).toEqual([name]);
    expect(await readRequests(database.hot.run, 'done')).toEqual([]);
  });

  it('follows from the entries: a reset opens a request again, and each is in one of the two lists', async () => {
    forgetAfterwards(database);
    const { desk, work } = await givenRequests(database, TASKS);
    const name = await takeOne(desk);
    await approve(desk, { request: name, by });
    await work();
    const lists = async () => [(await readRequests(database.hot.run, 'open')).length, (await readRequests(database.hot.run, 'done')).length];
    expect(await lists()).toEqual([0, 1]);
    await resetEntries(database.em(), { subjects: [name], tasks: ['Accounts'] }, by);
    expect(await lists()).toEqual([1, 0]);
    expect((await readRequest(database.hot.run, name)).completedAt).toBeNull();
    expect((await auditRegister(database.em(), async () => {})).findings).toEqual([]);
  });
});
