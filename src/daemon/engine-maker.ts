import type { Config } from '../config.ts';
import type { Database } from '../db/database.ts';
import { LocalEngine } from '../engine/engine.ts';
import type { EngineOptions } from '../engine/engine-options.ts';
import type { Engine } from '../engine/port.ts';

/** Makes the engine that a daemon was told to have. */
export type EngineMaker = (options: EngineOptions) => Engine;

/** BullMQ is loaded by those alone who use it. */
export async function engineMaker({ database, config }: { database: Database; config: Partial<Pick<Config, 'engine' | 'redisUrl'>> }): Promise<EngineMaker> {
  if (config.engine !== 'bullmq') return (options) => new LocalEngine(options);
  const [{ BullEngine }, { queuePrefix }] = await Promise.all([import('../bullmq/engine.ts'), import('../bullmq/queues.ts')]);
  const place = { redisUrl: config.redisUrl!, prefix: await queuePrefix(database.hot.run) };
  return (options) => new BullEngine(options, place);
}
