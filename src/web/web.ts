import { Hono } from 'hono';
import type { Database } from '../db/database.ts';
import type { Logger } from '../log.ts';
import { assetReply } from './assets.ts';
import { createBoard, type Carriers } from './board/board.ts';
import { hostGuard, originGuard } from './guard.ts';
import { securityHeaders } from './headers.ts';
import { createHealth, type Health } from './health.ts';
import { linksOf } from './links.ts';
import { createMetrics } from './metrics.ts';
import { createPages, type ExportTable } from './page/pages.ts';
import { productReply } from './products.ts';
import { mount, respond, textReply, type Route } from './route.ts';

export { serveWeb, type WebServer } from './serve.ts';

export interface WebOptions {
  database: Database;
  /** Absolute paths. */
  folders: { data: string; products: string };
  /** How the daemon that serves the pages feels. */
  health: () => Promise<Health>;
  /** Queues of an engine that carries entries elsewhere, for the board. */
  carriers?: Carriers | undefined;
  /** Names of tasks, prerequisites first. */
  order: readonly string[];
  log: Logger;
  /** The version shown on the first page. */
  version?: string;
  /** Makes the table of results; without it there is nothing to export. */
  exportTable?: ExportTable;
  /** Where the pages are, with a slash before and none after, e.g. `/afterglow`; empty, the default, is the root. */
  basePath?: string;
  /** What the server listens on, for knowing which names are ours; 127.0.0.1 unless given. */
  host?: string;
  /** More names, without ports, under which requests may ask for us. */
  allowedHosts?: readonly string[];
}

/** The pages, the board, the products and the health of a daemon, as an application for {@link serveWeb}. */
export function createWeb(options: WebOptions): Hono {
  const { database, folders, health, order, log, carriers, basePath = '', host = '127.0.0.1', allowedHosts = [] } = options;
  const links = linksOf(basePath);
  const pages = createPages(options, links);
  const routes: readonly Route[] = [
    { method: 'get', path: '/', handler: pages.first },
    { method: 'get', path: '/live', handler: pages.live },
    { method: 'get', path: '/plots', handler: pages.plots },
    { method: 'get', path: '/healthz', handler: createHealth(database, health) },
    { method: 'get', path: '/metrics', handler: createMetrics(database) },
    { method: 'get', path: '/products/:file', handler: (ask) => productReply(folders.products, ask) },
    { method: 'get', path: '/assets/:name', handler: assetReply },
    ...pages.exports,
  ];

  // Not strict: with a slash at the end and without it are one page.
  const app = new Hono({ strict: false });
  app.use(securityHeaders(`${basePath}/board`));
  app.use(hostGuard(host, allowedHosts));
  app.use(originGuard());
  mount(basePath === '' ? app : app.basePath(basePath), routes);
  app.route(`${basePath}/board`, createBoard({ database, order, links, carriers, path: `${basePath}/board` }));
  app.notFound((c) => respond(c, textReply('There is no such page.', 404)));
  app.onError((error, c) => {
    log.error({ err: error, path: c.req.path }, 'a page could not be made');
    return respond(c, textReply('This page could not be made; the log says why.', 500));
  });
  return app;
}
