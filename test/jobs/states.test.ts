import { beforeAll, describe, expect, it } from 'vitest';
import { getShortestPaths } from 'xstate/graph';
import { auditRegister } from '../../src/db/audit.ts';
import type { Database } from '../../src/db/database.ts';
import { advance, type Ending } from '../../src/engine/advance.ts';
import { claimOne } from '../../src/engine/claim.ts';
import { createStatusMachine, type Cause } from '../../src/status/machine.ts';
import { BUILT_IN, JOB_STATUSES } from '../../src/status/status.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld, type JobWorld } from './job-world.ts';
import { ScriptedJob } from './scripted-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

const machine = createStatusMachine([...BUILT_IN.map(({ message, type }) => ({ message, type })), ...JOB_STATUSES]);
/** The moves that jobs make, in the words of people: state, cause, state. Those of machinery that fails are the same as for any entry. */
const STATES: Readonly<Record<string, string>> = { 'not processed': 'pending', processing: 'running', 'time limit exceeded': 'failed', ...Object.fromEntries(JOB_STATUSES.map(({ message }) => [message, message])) };
const EVENTS: readonly { type: Cause; status?: string }[] = [
  { type: 'claim' }, { type: 'reset' }, { type: 'finish', status: 'completed' }, { type: 'finish', status: 'skipped' }, { type: 'fail', status: 'failed' },
  { type: 'time out', status: 'time limit exceeded' }, { type: 'cancel', status: 'cancelled' },
];

interface Step {
  cause: Cause;
  to: string;
}

/** The shortest ways of the machine to every status of a job, each followed by every move from there and, from a final one, by being requeued. */
function walks(): Step[][] {
  const messages = new Map(Object.values(machine.machine.states).map((state) => [state.key, (state.meta as { message: string }).message]));
  const ways = getShortestPaths(machine.machine, { events: EVENTS as never, serializeState: (snapshot) => String((snapshot as { value: string }).value) as never })
    .map(({ steps }) => steps.map(({ event, state }) => ({ cause: event.type as Cause, to: messages.get((state as unknown as { value: string }).value)! })))
    .map((steps) => steps.filter(({ cause }) => !cause.startsWith('xstate.')));
  return ways.flatMap((way) => {
    const at = way.at(-1)?.to ?? 'not processed';
    const moves = machine.moves.filter(({ from, cause, to }) => from === at && EVENTS.some(({ type, status }) => type === cause && (status ?? to) === to));
    return moves.map(({ cause, to }) => [...way, { cause, to }]);
  });
}

/** Does to a job what a step says, by the functions that do it in earnest. */
async function take({ jobs, entry }: JobWorld, id: string, taskId: number, { cause, to }: Step): Promise<void> {
  const { hot } = database;
  const { status, attempt } = await entry(id);
  if (cause === 'claim') {
    expect(await claimOne(hot.run, { id: taskId, name: 'Scan', kind: 'job:Scan', claimFromId: 1, version: 1 }, { daemonId: 5, actor: 'daemon 5', leaseSeconds: 60 }, id)).toMatchObject({ attempt: attempt + 1 });
  } else if (cause === 'reset') {
    // What runs is not requeued; a person may reset it, as any entry.
    if (status === 'processing') await database.em().execute(`update task_register set status_id = 1, cause = 'reset', actor = 'ada', lease_owner = null, lease_until = null where subject_id = ?`, [id]);
    else expect(await jobs.requeue(id)).toEqual([id]);
    await database.em().execute(`update attempt set outcome = 'superseded', ended_at = now() where subject_id = ? and outcome = 'running'`, [id]);
  } else {
    if (cause === 'cancel') expect(await jobs.cancel(id, 'enough', { by: 'ada' })).toBe(status === 'processing' ? 'stopping' : 'cancelled');
    if (status !== 'processing') return;
    const [{ id: statusId }] = await database.em().execute<[{ id: number }]>(`select id from status where message = ?`, [cause === 'cancel' ? 'completed' : to]);
    // A job that was cancelled may say what it likes at its end.
    const ending = { subjectId: id, attempt, statusId, cause: cause === 'cancel' ? 'finish' : cause, outcome: 'finished', wallSeconds: 0, cpuSeconds: 0, setbacks: 0 } as unknown as Ending;
    expect((await advance(hot.run, taskId, 'daemon 5', [ending])).size).toBe(1);
  }
}

describe('the states of a job', () => {
  it('can all be reached in the database by the moves of the machine, and left again, and the job always says what its entry says', async () => {
    const world = await createJobWorld(database, [new ScriptedJob('Scan')]);
    const [{ id: taskId }] = await database.em().execute<[{ id: number }]>(`select id from task`);
    const seen = new Set<string>();
    for (const steps of walks()) {
      const { id } = await world.jobs.enqueue('Scan', {});
      let from = 'not processed';
      for (const step of steps) {
        await take(world, id, taskId, step);
        const { status, cause } = await world.entry(id);
        expect([status, cause], steps.map((one) => one.cause).join()).toEqual([step.to, step.cause]);
        expect((await world.jobs.get(id)).state).toBe(STATES[step.to]);
        seen.add(`${STATES[from]} | ${step.cause} | ${STATES[step.to]}`);
        from = step.to;
      }
    }
    expect([...seen].toSorted()).toEqual([
      'cancelled | reset | pending', 'completed | reset | pending', 'failed | reset | pending', 'pending | cancel | cancelled', 'pending | claim | running',
      'running | cancel | cancelled', 'running | fail | failed', 'running | finish | completed', 'running | finish | skipped', 'running | reset | pending', 'running | time out | failed',
      'skipped | reset | pending',
    ]);
    expect((await auditRegister(database.em(), async () => {})).findings).toEqual([]);
  });

  it('cannot be changed past the machine, whoever writes', async () => {
    const { jobs } = await createJobWorld(database, [new ScriptedJob('Scan')]);
    const { id } = await jobs.enqueue('Scan', {});
    const completed = database.em().execute(`update task_register set status_id = (select id from status where message = 'completed'), cause = 'finish' where subject_id = ?`, [id]);
    await expect(completed).rejects.toThrow('the status machine has no move "finish" from "not processed" to "completed"');
    expect((await jobs.get(id)).state).toBe('pending');
  });
});
