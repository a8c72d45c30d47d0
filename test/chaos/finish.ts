import type { Database } from '../../src/db/database.ts';
import { openEntries, whatBroke } from './diamond.ts';
import type { DiamondProcess } from './start-diamond.ts';
import { untilOr } from './until.ts';

const DONE_WITHIN_MS = 60_000;

/**
 * Waits until all is done, and schedules fire again.
 *
 * @param since what has to fire after it, an SQL expression
 * @throws {Error} naming what broke, and what the daemons said last
 */
export async function finish(database: Database, daemons: readonly DiamondProcess[], since: string): Promise<void> {
  const isDone = await untilOr(DONE_WITHIN_MS, async () => (await openEntries(database)) === 0);
  const broken = await whatBroke(database);
  if (!isDone) broken.unshift(`not done ${DONE_WITHIN_MS / 1000} s after the database was back`);
  const ticks = `select from tick where runner = 'Beat' and outcome = 'finished' and started_at > ${since}`;
  if (!(await untilOr(10_000, async () => (await database.em().execute<object[]>(ticks)).length > 0))) broken.push('no schedule fires');
  if (broken.length > 0) throw new Error([...broken, ...daemons.flatMap(({ log }, place) => [`daemon ${place} said last:`, ...log.slice(-8)])].join('\n'));
}
