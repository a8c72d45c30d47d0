import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RequestTaskRunner, type Request, type RunContext } from '../../src/index.ts';
import type { Store } from './stores.ts';

/** Writes what a store has of one person into a file, which the page of the request offers. */
export class ExportRows extends RequestTaskRunner {
  readonly taskName: string;
  readonly requestTypes = ['export'];
  override readonly needsIdentifiers: readonly string[];
  override readonly returns = ['processed', 'nothing found'];
  readonly #store: Store;

  constructor(store: Store) {
    super();
    this.#store = store;
    this.taskName = `Export from ${store.name}`;
    this.needsIdentifiers = store.identifier === undefined ? [] : [store.identifier];
  }

  async runProcess(request: Request, { em, productsFolder }: RunContext) {
    const { name, identifier, find, costPerRow } = this.#store;
    const rows = await em.execute<object[]>(find, [identifier === undefined ? request.email : request.identifiers[identifier]!]);
    const cost = Math.max(1, rows.length) * costPerRow;
    if (rows.length === 0) return { status: 'nothing found', result: { message: `Nothing in the ${name}.`, rows: 0 }, cost };
    const file = `${name.replaceAll(' ', '-')}.json`;
    await writeForRequest(productsFolder, request, file, `${JSON.stringify(rows, undefined, 2)}\n`);
    return { status: 'processed', result: { message: `${rows.length} rows of the ${name} are in ${file}.`, rows: rows.length, file }, cost };
  }
}

/** Writes a file that belongs to a request, in one step: nobody reads half of it, and doing it again changes nothing. */
export async function writeForRequest(productsFolder: string, request: Request, file: string, text: string): Promise<void> {
  const folder = path.join(productsFolder, 'requests', request.name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(path.join(folder, `.${file}.new`), text, { mode: 0o600 });
  await rename(path.join(folder, `.${file}.new`), path.join(folder, file));
}
