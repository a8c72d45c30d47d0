import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { ROOT, runProgram, startProgram } from '../program.ts';

/** Longer than any of these tests waits. */
const HANGS_MS = 600_000;

let folder: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-stop-'));
  await writeFile(
    path.join(folder, 'runners.ts'),
    `import { TransientTaskRunner } from '${ROOT}/src/index.ts';
     class Hangs extends TransientTaskRunner {
       taskName = 'Host match'; schedule = '* * * * *'; prerequisites = {}; failedStatusMessage = 'failed';
       async runProcess(transient, { log }) {
         log.warn('a runner has begun');
         await new Promise((resolve) => setTimeout(resolve, ${HANGS_MS}));
         return 'processed';
       }
     }
     export const periodicRunners = [new Hangs()];`,
  );
  env = { DATABASE_URL: urlOf(await createDatabaseAddress()), AFTERGLOW_RUNNERS: path.join(folder, 'runners.ts'), AFTERGLOW_DATA: folder };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const hostMatch = async (): Promise<unknown> => {
  const { tasks } = JSON.parse((await runProgram(['status', '--json'], env)).stdout) as { tasks: { name: string; counts: unknown }[] };
  return tasks.find(({ name }) => name === 'Host match')?.counts;
};

test('what runs past its grace time is handed back, and the program ends though its runner does not', async () => {
  const daemon = startProgram(['start', '--no-web'], { ...env, AFTERGLOW_GRACE_SECONDS: '0.2' });
  await daemon.saw('a runner has begun');
  daemon.child.kill('SIGTERM');
  expect(await daemon.ended).toMatchObject({ code: 0, signal: null });
  expect(await hostMatch()).toEqual({ 'not processed': 273 });
});

test('a second Ctrl-C does not wait for the grace time, unless it is the echo of the first', async () => {
  const daemon = startProgram(['start', '--no-web'], { ...env, AFTERGLOW_GRACE_SECONDS: '3600' });
  await daemon.saw('a runner has begun');
  daemon.child.kill('SIGINT');
  await daemon.saw('stopping');
  daemon.child.kill('SIGINT');
  // A person's second signal comes at least a second after the first; the one above, at once, must have done nothing.
  await delay(1200);
  expect(daemon.child.exitCode).toBeNull();
  daemon.child.kill('SIGINT');
  expect(await daemon.ended).toMatchObject({ code: 0, signal: null });
  expect(await hostMatch()).toEqual({ 'not processed': 273 });
});
