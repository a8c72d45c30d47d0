import type { Database } from '../../db/database.ts';
import type { Links } from '../links.ts';
import type { Ask, Reply, Route } from '../route.ts';
import type { Caller } from '../token.ts';

/** What pages work with that show what was worked on, with its arguments and results. */
export interface PageDeps {
  database: Database;
  links: Links;
  version: string | undefined;
  /** Says who asks, or refuses. Whoever changes something passes it. */
  guard: (ask: Ask) => Caller | Reply;
  /** Whether reading passes it too. */
  isClosed: boolean;
}

/** A page that only shows. */
export function readRoute({ guard, isClosed }: Pick<PageDeps, 'guard' | 'isClosed'>, path: string, handler: (ask: Ask) => Promise<Reply>): Route {
  return {
    method: 'get', path,
    handler: (ask) => {
      const caller = isClosed ? guard(ask) : undefined;
      return caller !== undefined && 'status' in caller ? caller : handler(ask);
    },
  };
}
