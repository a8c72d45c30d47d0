import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../../src/db/database.ts';

/** Looks again and again. @throws {Error} it did not become so in time; the message has how the entries stand */
export async function untilSo(database: Database, seconds: number, isSo: () => Promise<boolean>): Promise<void> {
  const impatient = AbortSignal.timeout(seconds * 1000);
  while (!(await isSo())) {
    if (impatient.aborted) throw new Error(`It did not come to its end within ${seconds} s:\n${await standing(database)}`);
    await delay(50);
  }
}

async function standing(database: Database): Promise<string> {
  const rows = await database.em().execute<{ line: string }[]>(
    `select t.name || ': ' || s.message || coalesce(', ' || r.reason, '') || ' × ' || count(*) as line from task_register r join task t on t.id = r.task_id join status s on s.id = r.status_id group by t.name, s.message, r.reason order by 1 limit 40`);
  return rows.map(({ line }) => line).join('\n');
}

/** @throws {Error} it does not hold */
export function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}
