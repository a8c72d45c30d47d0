import { PermanentError, RequestTaskRunner, type Batch, type Request, type RunContext } from '../../src/index.ts';
import type { Store } from './stores.ts';

/** Deletes what a store has of one person, and counts before and after. One class does it for every store. */
export class DeleteRows extends RequestTaskRunner {
  readonly taskName: string;
  readonly requestTypes = ['delete'];
  override readonly needsIdentifiers: readonly string[];
  override readonly runsLast: boolean;
  override readonly batch: Batch | undefined;
  override readonly returns = ['processed', 'nothing found'];
  // Two deletions in one store at once are one too many.
  override readonly concurrency = 1;
  readonly #store: Store;

  constructor(store: Store, { runsLast = false, batch }: { runsLast?: boolean; batch?: Batch } = {}) {
    super();
    this.#store = store;
    this.taskName = `Delete from ${store.name}`;
    this.needsIdentifiers = store.identifier === undefined ? [] : [store.identifier];
    this.runsLast = runsLast;
    this.batch = batch;
  }

  async runProcess(request: Request, { em, log }: RunContext) {
    const { name, identifier, count, costPerRow } = this.#store;
    const person = [identifier === undefined ? request.email : request.identifiers[identifier]!];
    const rows = async () => (await em.execute<[{ rows: number }]>(count, person))[0].rows;
    const before = await rows();
    const cost = Math.max(1, before) * costPerRow;
    if (before === 0) return { status: 'nothing found', result: { message: `Nothing in the ${name}.`, before, after: 0 }, cost };
    await em.execute(this.#store.delete, person);
    const after = await rows();
    // Thrown, nothing that was deleted is lost: it is rolled back.
    if (after > 0) throw new PermanentError(`${after} of ${before} rows are still in the ${name}.`);
    log.info(`${before} rows deleted`);
    return { status: 'processed', result: { message: `${before} rows found in the ${name} and deleted, ${after} left.`, before, after }, cost };
  }
}
