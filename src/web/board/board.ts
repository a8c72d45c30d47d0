import { createBullBoard } from '@bull-board/api';
import { HonoAdapter } from '@bull-board/hono';
import { Hono } from 'hono';
import type { Database } from '../../db/database.ts';
import { keep } from '../keep.ts';
import { toBoard, type Links } from '../links.ts';
import { before } from './before.ts';
import type { BullQueues } from './bull-queues.ts';
import { readCatalogue } from './catalogue.ts';
import { localPage } from './page.ts';
import { RegisterAdapter } from './register-adapter.ts';
import { createSources } from './sources.ts';
import { boardStatics } from './static.ts';
import { TickAdapter } from './tick-adapter.ts';
import { uiConfig } from './ui-config.ts';

/** A queue of the board. */
type Queue = RegisterAdapter | TickAdapter;

/** What carries the entries of a task beside the register, as a queue of its own. */
export type Carriers = Pick<BullQueues, 'adapterOf'>;

/** How long the list of queues is kept: tasks come and go with the fixtures only. */
const CATALOGUE_MS = 10_000;

/**
 * bull-board with every task as a queue, straight on the register.
 *
 * @param path where it is mounted, without a slash at the end
 * @param order names of tasks in the order of the graph
 * @param carriers of an engine that carries entries elsewhere
 * @param validateResponses answer 500 where an answer is not what the board's pages expect; for tests, it costs time
 */
export function createBoard(options: { database: Database; order: readonly string[]; links: Links; path: string; carriers?: Carriers | undefined; validateResponses?: boolean }): Hono {
  const { database, order, links, path: basePath, carriers, validateResponses } = options;
  const adapter = new HonoAdapter(boardStatics as unknown as ConstructorParameters<typeof HonoAdapter>[0]);
  adapter.setBasePath(basePath);
  const board = createBullBoard({ queues: [], serverAdapter: adapter, options: { uiConfig: uiConfig(links), handlerHooks: { before }, validateResponses } });
  let queues = new Map<string, Queue>();
  let shown = '';

  const refresh = keep(async () => {
    const catalogue = await readCatalogue(database.em(), order);
    const now = JSON.stringify([catalogue.tasks, [...catalogue.statuses]]);
    if (now === shown) return;
    const sources = createSources(() => database.em(), catalogue);
    queues = new Map(catalogue.tasks.map((task) => [toBoard(task.name), task.kind === 'system' ? new TickAdapter(sources, task) : new RegisterAdapter(sources, task)]));
    board.replaceQueues([]);
    const carried = carriers === undefined ? [] : catalogue.tasks.filter(({ kind }) => kind !== 'system').map((task) => carriers.adapterOf(task));
    board.replaceQueues([...queues.values(), ...carried]);
    shown = now;
  }, CATALOGUE_MS);

  const app = new Hono({ strict: false });
  app.get('/', (c, next) => (new URL(c.req.url).pathname.endsWith('/') ? next() : Promise.resolve(c.redirect(links.board))));
  app.use('/api/*', async (_c, next) => {
    await refresh();
    await next();
  });
  // In one statement; the board's own handler would do it entry by entry.
  app.put('/api/queues/:queueName/retry/:state', async (c, next) => {
    const queue = queues.get(c.req.param('queueName'));
    const state = c.req.param('state');
    if (!(queue instanceof RegisterAdapter) || (state !== 'failed' && state !== 'completed')) return next();
    return c.json({ retried: await queue.retryAll(state), skipped: 0 });
  });
  app.use(localPage(links.asset('board.css')));
  app.route('/', adapter.registerPlugin());
  return app;
}
