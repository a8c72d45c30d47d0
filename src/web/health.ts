import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../db/database.ts';
import { jsonReply, type Reply } from './route.ts';

/** How the daemon feels. */
export interface Health {
  ok: boolean;
  /** Whole sentences; empty where all is well. */
  reasons: readonly string[];
}

/** Seconds that the database and the daemon have to answer. */
const MOST_SECONDS = 2;

/**
 * The answer to "how are you?": `{"status":"ok"}` with 200, or 503 with the reasons. It comes within two seconds, whatever hangs;
 * while the database is asked, nobody asks it again.
 */
export function createHealth(database: Database, health: () => Promise<Health>, mostSeconds = MOST_SECONDS): () => Promise<Reply> {
  const askDatabase = shared(async () => {
    await database.em().execute('select 1');
    return [];
  });
  const askDaemon = shared(async () => {
    const { ok, reasons } = await health();
    return ok ? [] : reasons.length > 0 ? reasons : ['The daemon says that it is not well.'];
  });
  return async () => {
    const reasons = (await Promise.all([within(mostSeconds, 'The database', askDatabase), within(mostSeconds, 'The daemon', askDaemon)])).flat();
    return reasons.length === 0 ? jsonReply({ status: 'ok' }) : jsonReply({ status: 'unavailable', reasons }, 503);
  };
}

function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => {
    asked ??= ask().finally(() => {
      asked = undefined;
    });
    return asked;
  };
}

async function within(seconds: number, who: string, ask: () => Promise<readonly string[]>): Promise<readonly string[]> {
  const cancel = new AbortController();
  const late = delay(seconds * 1000, [`${who} did not answer within ${seconds} s.`], { signal: cancel.signal }).catch(() => []);
  try {
    return await Promise.race([ask(), late]);
  } catch (error) {
    return [`${who} gave an error: ${(error as Error).message}`];
  } finally {
    cancel.abort();
  }
}
