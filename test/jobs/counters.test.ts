import { beforeAll, describe, expect, it } from 'vitest';
import { auditRegister } from '../../src/db/audit.ts';
import type { Database } from '../../src/db/database.ts';
import { countDrift } from '../../src/db/sync-graph.ts';
import type { Ending } from '../../src/engine/advance.ts';
import { claim } from '../../src/engine/claim.ts';
import { Finisher } from '../../src/engine/finisher.ts';
import { rescue } from '../../src/engine/rescue.ts';
import { retryDeadlock } from '../../src/engine/retry-deadlock.ts';
import { RefusedError, UnknownNameError } from '../../src/errors.ts';
import { systemClock } from '../../src/clock.ts';
import { step } from '../../src/runner/jobs.ts';
import { listeningLog } from '../engine/world.ts';
import { createDatabase } from '../harness.ts';
import { createJobWorld } from './job-world.ts';
import { ScriptedJob } from './scripted-job.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

describe('what jobs wait for', () => {
  it('is counted right when many clients enqueue, run, fail, cancel, requeue, rescue and delete at once, and no deadlock comes through', async () => {
    const scan = new ScriptedJob('Scan');
    const { jobs } = await createJobWorld(database, [scan]);
    const [{ id: taskId }] = await database.em().execute<[{ id: number }]>(`select id from task`);
    const statuses = new Map((await database.em().execute<{ id: number; message: string }[]>(`select id, message from status`)).map(({ id, message }) => [message, id]));
    const finisher = new Finisher({ hot: database.hot, actor: 'test', daemonId: 0, clock: systemClock, log: listeningLog().log }, { id: taskId, name: 'Scan' });
    const random = pseudoRandom(7_216_007);
    const ids: string[] = [];
    const some = (most: number): string[] => Array.from({ length: Math.floor(random() * (most + 1)) }, () => ids[Math.floor(random() ** 0.3 * ids.length)]).filter((id) => id !== undefined);
    const done = { enqueued: 0, ended: 0, cancelled: 0, requeued: 0, rescued: 0, deleted: 0, refused: 0 };
    /** What another client has deleted, or is running, is refused. */
    const attempted = async (act: () => Promise<void>): Promise<void> => {
      try {
        await retryDeadlock(act);
      } catch (error) {
        if (!(error instanceof UnknownNameError || error instanceof RefusedError)) throw error;
        done.refused += 1;
      }
    };
    const enqueue = async (): Promise<void> => {
      const made = random() < 0.5
        ? [await jobs.enqueue(scan, {}, { parents: some(3) })]
        : await database.em().transactional((em) => jobs.within(em).group([step(scan, {}), step(scan, {}, { parents: some(2) })], { parents: some(1) }));
      ids.push(...made.map((job) => job.id));
      done.enqueued += made.length;
    };
    const remove = async (id: string): Promise<void> => {
      done.deleted += (await database.em().execute<object[]>(`delete from subject where id = ? returning 1`, [id])).length;
    };
    const client = async (daemonId: number): Promise<void> => {
      for (let turn = 0; turn < 80; turn += 1) {
        const act = random();
        const [id] = some(1);
        if (act < 0.35) {
          await attempted(enqueue);
        } else if (act < 0.75) {
          const entries = await claim(database.hot.run, { id: taskId, name: 'Scan', kind: 'job:Scan', claimFromId: 1, version: 1 }, { daemonId, actor: 'test', leaseSeconds: random() < 0.1 ? -1 : 60 }, 1 + Math.floor(random() * 5));
          await Promise.all(entries.map(async ({ subjectId, attempt }) => {
            const status = random() < 0.8 ? 'completed' : random() < 0.5 ? 'failed' : 'skipped';
            const ending = { subjectId, attempt, statusId: statuses.get(status)!, cause: status === 'failed' ? 'fail' : 'finish', outcome: 'finished', wallSeconds: 0, cpuSeconds: 0, setbacks: 0 } as unknown as Ending;
            done.ended += (await finisher.finish(ending)) ? 1 : 0;
          }));
        } else if (act < 0.8) done.rescued += (await rescue(database.hot, 'test', [], 0)).length;
        else if (id === undefined) continue;
        else if (act < 0.9) await attempted(async () => void (done.cancelled += (await jobs.cancel(id, 'enough')) === 'ended' ? 0 : 1));
        else if (act < 0.97) await attempted(async () => void (done.requeued += (await jobs.requeue(id, { withChildren: random() < 0.5 })).length));
        else await attempted(() => remove(id));
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, n) => client(n + 1)));
    expect(await countDrift(database.em())).toBe(0);
    expect((await auditRegister(database.em(), async () => {})).findings.filter(({ rule }) => !rule.includes('within two minutes'))).toEqual([]);
    for (const [what, count] of Object.entries(done)) if (what !== 'rescued' && what !== 'refused') expect(count, what).toBeGreaterThan(1);

    // In the end nothing waits for ever: all that is left runs, or was cancelled.
    await database.em().execute(`update task_register set lease_until = now() - interval '1 second' where status_id = 2`);
    await rescue(database.hot, 'test', [], 0);
    await database.em().execute(`update task_register set due_at = null where due_at is not null`);
    for (;;) {
      const entries = await claim(database.hot.run, { id: taskId, name: 'Scan', kind: 'job:Scan', claimFromId: 1, version: 1 }, { daemonId: 9, actor: 'test', leaseSeconds: 60 }, 100);
      if (entries.length === 0) break;
      await Promise.all(entries.map(({ subjectId, attempt }) => finisher.finish({ subjectId, attempt, statusId: statuses.get('completed')!, cause: 'finish', outcome: 'finished', wallSeconds: 0, cpuSeconds: 0, setbacks: 0 } as unknown as Ending)));
    }
    // What still waits was requeued by itself behind a parent that has failed, and says so.
    const waiting = await jobs.list({ states: ['pending'], limit: 1000 });
    expect(waiting.filter(({ waitsFor, requeues }) => requeues === 0 && waitsFor.every(({ state }) => state !== 'pending'))).toEqual([]);
    expect(await countDrift(database.em())).toBe(0);
  }, 60_000);
});

/** The same numbers in every run, 0…1 (Park, Miller & Stockmeyer 1993, CACM 36, 105). */
function pseudoRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
