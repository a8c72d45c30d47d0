import type { Route } from '../route.ts';
import { readRoute, type PageDeps } from './read-route.ts';
import { runPage } from './run-page.ts';
import { runsPage } from './runs-page.ts';

/** `/runs`: the list, and one run with its scripts. Nothing can be changed there. */
export function createRunRoutes(deps: PageDeps): Route[] {
  const { database, links, version } = deps;
  return [readRoute(deps, '/runs', (ask) => runsPage(database, links, version, ask)), readRoute(deps, '/runs/:run', (ask) => runPage(database, links, version, ask))];
}
