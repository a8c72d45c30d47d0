import { beforeAll, describe, expect, it, vi } from 'vitest';
import { AUDIT_RULES, auditRegister } from '../../src/db/audit.ts';
import type { Database } from '../../src/db/database.ts';
import { detachedContext, AuditError } from '../../src/index.ts';
import { AuditRegister } from '../../runners/system/audit-register.ts';
import { createWorld } from '../engine/create-world.ts';
import { obeys, throws } from '../engine/scripted-runner.ts';
import { createDatabase } from '../harness.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const now = async () => {};
const audit = () => auditRegister(database.em(), now);

/** A register with something of everything: done, failed, running, waiting, held. */
async function given() {
  const world = await createWorld(database, {
    resources: [{ name: 'tns', concurrency: 2 }],
    tasks: { Match: { uses: { tns: 1 }, concurrency: 2 }, Report: { needs: { Match: 'processed' } } },
  });
  await world.add('done', 'failed', 'runs', 'waits', 'held');
  world.runner('Match').on('failed', throws(new TypeError('x'))).on('runs', obeys);
  await database.em().execute(`insert into hold (subject_id, reason, placed_by) select id, 'wrong field', 'ada' from subject where name = 'held'`);
  const { engine } = world.engine();
  await vi.waitFor(async () => {
    // No daemon hears here that there is room again.
    await engine.wake(world.task('Match').id);
    expect(await world.statuses('Match')).toEqual({ done: 'processed', failed: 'failed', runs: 'processing', waits: 'processed', held: 'not processed' });
  }, 10_000);
  return world;
}

/** Writes behind the back of the triggers, as no program of ours can. */
const behind = (sql: string) => database.em().transactional(async (em) => {
  await em.execute(`set local session_replication_role = replica`);
  await em.execute(sql);
});
const of = (subject: string, task = 'Match') => `subject_id = (select id from subject where name = '${subject}') and task_id = (select id from task where name = '${task}')`;

// Each rule, broken by hand, with what is found.
const BROKEN: Readonly<Record<string, readonly [sql: string, found: string]>> = {
  'Every entry counts the prerequisites that are not met, and the jobs that it waits for.': [`update task_register set unmet = unmet + 1 where ${of('failed', 'Report')}`, '"Report" of failed: counts 2, there are 1'],
  'The last transition of an entry leads to its status.': [`delete from transition where id = (select max(id) from transition where ${of('failed')})`, '"Match" of failed: the log leads to status 2, it has'],
  'Every transition of an entry begins where the one before it led.': [`update transition set from_id = 3 where id = (select max(id) from transition where ${of('failed')})`, '"Match" of failed: transition'],
  'An entry that nothing has happened to is not processed, and has no attempt.': [`update task_register set attempt = 1 where ${of('waits', 'Report')}`, '"Report" of waits: it has status 1 and 1 attempts, and the log knows nothing of it'],
  'What is processing has a lease, and an attempt of its number that runs.': [`update task_register set lease_owner = null where ${of('runs')}`, '"Match" of runs: attempt 1 is running'],
  'What is not processing has no lease.': [`update task_register set lease_owner = 7, lease_until = now() where ${of('done')}`, '"Match" of done: daemon 7 has a lease until'],
  'An attempt that runs is the last of an entry that is processing.': [`update attempt set outcome = 'running' where ${of('done')}`, '"Match" of done: attempt 1 runs, the entry is on attempt 1'],
  'No attempt has a number that its entry has not reached.': [`update attempt set attempt = 9 where ${of('done')}`, '"Match" of done: attempt 9, the entry has reached 1'],
  'A lease that is over is taken back within two minutes.': [`update task_register set lease_until = now() - interval '10 minutes' where ${of('runs')}`, '"Match" of runs: its lease ended at'],
  'What waits for a time is woken within two minutes of it.': [`update task_register set due_at = now() - interval '10 minutes' where ${of('held')}`, '"Match" of held: it was due at'],
  'An entry is held if, and only if, somebody holds it or its subject.': [`update task_register set held = false where ${of('held', 'Report')}`, '"Report" of held: its hold does not hold it'],
  'Every subject has an entry for each task of its kind, and no others.': [`delete from task_register where ${of('held', 'Report')}`, '"Report" of held: there is no entry'],
  'No task runs more often at once than its concurrency.': [
    `update task_register set status_id = 2 where task_id = (select id from task where name = 'Match') and subject_id in (select id from subject where name in ('done', 'failed'))`, '"Match": 3 run, 2 may'],
  'No resource is used more at once than there is of it.': [
    `update task_register set status_id = 2 where task_id = (select id from task where name = 'Match') and subject_id in (select id from subject where name in ('done', 'failed'))`, '"tns": 3 are used, there are 2'],
  'A request that nobody has approved, or that is closed, is held.': [
    `insert into request (subject_id, email, type, requested_at, deadline, created_at, created_by)
     select id, 'ada@example.org', 'delete', now(), now(), now(), 'ada' from subject where name = 'done'`, 'done: it waits for approval'],
  'A job has ended if, and only if, its entry has, and as the entry says.': [
    `insert into job (subject_id, task_id, enqueued_by) select subject_id, task_id, 'ada' from task_register where ${of('done')}`, '"Match" of done: the job is open, its entry has status'],
  'What follows from a job that failed or was cancelled does not wait for it for ever.': [
    `with j as (
       insert into job (subject_id, task_id, enqueued_by, state, ended_at)
       select subject_id, task_id, 'ada', case when status_id <> 1 then 'failed' end, case when status_id <> 1 then now() end
         from task_register where (${of('failed')}) or (${of('waits', 'Report')}) returning subject_id, state)
     insert into job_parent (job_id, parent_id, place) select a.subject_id, b.subject_id, 1 from j a, j b where a.state is null and b.state = 'failed'`,
    '"Report" of waits: it waits for job'],
  'No job waits for its turn among those of its key while there is room for it.': [
    `insert into job (subject_id, task_id, enqueued_by, key, parked) select subject_id, task_id, 'ada', 'k', true from task_register where ${of('waits', 'Report')}`,
    '"Report", key "k": 1 wait, 0 may run of any number'],
  'Every status that an entry has is one of the fixtures.': [`update task_register set status_id = 99 where ${of('done')}`, '"Match" of done: status 99'],
};

describe('the audit of the register', () => {
  it('finds nothing where nothing is wrong, whatever is going on', async () => {
    await given();
    expect(await audit()).toEqual({ entries: 10, rules: AUDIT_RULES.length, findings: [] });
  });

  it('is tried on every rule', () => {
    expect(Object.keys(BROKEN).toSorted()).toEqual(AUDIT_RULES.toSorted());
  });

  it.each(Object.entries(BROKEN))('reports, broken by hand: %s', async (rule, [sql, found]) => {
    await given();
    await behind(sql);
    const { findings } = await audit();
    const finding = findings.find((one) => one.rule === rule);
    expect(finding?.count).toBeGreaterThan(0);
    expect(finding!.examples[0]).toContain(found);
  });

  it('takes nothing for broken that was right when it looked again', async () => {
    await given();
    await behind(`update task_register set unmet = unmet + 1 where ${of('failed', 'Report')}`);
    const mended = await auditRegister(database.em(), () => behind(`update task_register set unmet = unmet - 1 where ${of('failed', 'Report')}`));
    expect(mended.findings).toEqual([]);
  });

  it('as a system runner fails with what is broken, and says it line by line', async () => {
    await given();
    await behind(`update task_register set held = false where ${of('held', 'Report')}`);
    const lines: string[] = [];
    const context = detachedContext({ em: database.em(), log: { info: () => {}, warn: (message) => lines.push(message) }, signal: AbortSignal.timeout(50) });
    // The second look is a quarter of a minute later; who stops it, stops it.
    await expect(new AuditRegister().runProcess(context)).rejects.toThrow('aborted');
    const error = new AuditError((await audit()).findings);
    expect(error.message).toContain('1 rule is broken:\nAn entry is held if, and only if, somebody holds it or its subject. Broken by 1: "Report" of held: its hold does not hold it');
  });
});
