import { Hono, type MiddlewareHandler } from 'hono';
import { systemClock, type Clock } from '../clock.ts';
import type { Database } from '../db/database.ts';
import type { Logger } from '../log.ts';
import { createRequestApi } from './api/requests.ts';
import { assetReply } from './assets.ts';
import { createBoard, type Carriers } from './board/board.ts';
import { hostGuard, originGuard } from './guard.ts';
import { securityHeaders } from './headers.ts';
import { createHealth, type Health } from './health.ts';
import { linksOf, type Links } from './links.ts';
import { createMetrics } from './metrics.ts';
import { createJobRoutes } from './page/job-routes.ts';
import { createPages, type ExportTable } from './page/pages.ts';
import { createRequestPages } from './page/request-pages.ts';
import { createRunRoutes } from './page/run-routes.ts';
import { productReply } from './products.ts';
import { mount, respond, textReply, toAsk, type Route } from './route.ts';
import { tokenGuard } from './token.ts';

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
  /** Opens requests to people and programs: there are tasks of them. Off unless given. */
  requests?: boolean;
  /** What whoever asks for requests has to know; without it, they are open to this machine alone. */
  apiToken?: string | undefined;
  /** The clock that deadlines go by. */
  clock?: Clock;
  /** More names, without ports, under which requests may ask for us. */
  allowedHosts?: readonly string[];
}

/** The pages, the board, the products and the health of a daemon, as an application for {@link serveWeb}. */
export function createWeb(options: WebOptions): Hono {
  const { database, folders, health, order, log, carriers, version, basePath = '', host = '127.0.0.1', allowedHosts = [] } = options;
  const links = linksOf(basePath, options);
  const pages = createPages(options, links);
  const pageDeps = { database, links, version, guard: tokenGuard(host, options.apiToken), isClosed: links.requests !== undefined };
  const routes: readonly Route[] = [
    { method: 'get', path: '/', handler: pages.first },
    { method: 'get', path: '/live', handler: pages.live },
    { method: 'get', path: '/plots', handler: pages.plots },
    { method: 'get', path: '/history', handler: pages.history },
    { method: 'get', path: '/healthz', handler: createHealth(database, health) },
    { method: 'get', path: '/metrics', handler: createMetrics(database) },
    { method: 'get', path: '/products/:file', handler: (ask) => productReply(folders.products, ask) },
    { method: 'get', path: '/assets/:name', handler: assetReply },
    ...createJobRoutes(pageDeps),
    ...createRunRoutes(pageDeps),
    ...requestRoutes(options, links),
    ...pages.exports,
  ];

  // Not strict: with a slash at the end and without it are one page.
  const app = new Hono({ strict: false });
  app.use(securityHeaders(`${basePath}/board`));
  app.use(hostGuard(host, allowedHosts));
  app.use(originGuard());
  if (links.requests !== undefined) app.use(`${basePath}/board/*`, boardGuard(options));
  mount(basePath === '' ? app : app.basePath(basePath), routes);
  app.route(`${basePath}/board`, createBoard({ database, order, links, carriers, path: `${basePath}/board` }));
  app.notFound((c) => respond(c, textReply('There is no such page.', 404)));
  app.onError((error, c) => {
    log.error({ err: error, path: c.req.path }, 'a page could not be made');
    return respond(c, textReply('This page could not be made; the log says why.', 500));
  });
  return app;
}

function requestRoutes({ database, folders, version, host = '127.0.0.1', apiToken, clock = systemClock }: WebOptions, links: Links): Route[] {
  const { requests } = links;
  if (requests === undefined) return [];
  const deps = { desk: { database, clock }, links: requests, guard: tokenGuard(host, apiToken) };
  return [...createRequestApi(deps), ...createRequestPages({ ...deps, all: { ...links, requests }, version, productsFolder: folders.products })];
}

/** The board shows what requests say, so it is as open as they are. */
function boardGuard({ host = '127.0.0.1', apiToken }: WebOptions): MiddlewareHandler {
  const guard = tokenGuard(host, apiToken);
  return async (c, next) => {
    const caller = guard(toAsk(c));
    return 'status' in caller ? respond(c, caller) : next();
  };
}
