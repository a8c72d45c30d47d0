import type { EntityManager } from '@mikro-orm/postgresql';

/**
 * Locks what tasks and resources are, before the register is locked or anything of them is written; held to the end of the
 * transaction. Claims under a limit lock in this order too (resources by name, the task, entries), so that a load and a claim
 * at the same time wait for each other and do not end in a deadlock.
 */
export async function lockDefinitions(tx: EntityManager): Promise<void> {
  await tx.execute(`select from resource order by name for update`);
  await tx.execute(`select from task order by id for no key update`);
}
