import { it } from 'vitest';
import { run } from './database-restarts.ts';

it('a database that is stopped at once and started again in the middle of work and of rescues leaves nothing stuck, lost or done twice', async () => {
  await run({ rounds: 3, log: () => {} });
}, 150_000);
