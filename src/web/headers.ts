import type { MiddlewareHandler } from 'hono';

/** Our own pages: nothing from elsewhere, nothing inline, in nobody's frame. */
const PAGES =
  "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/** The board writes styles into its page and highlights JSON in a worker; scripts are files of ours there too. */
const BOARD =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src 'self' blob:; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/** What every answer says about itself. A handler that sets one of these keeps its own. */
export function securityHeaders(boardPath: string): MiddlewareHandler {
  return async (c, next) => {
    await next();
    const isBoard = c.req.path === boardPath || c.req.path.startsWith(`${boardPath}/`);
    const headers = {
      'content-security-policy': isBoard ? BOARD : PAGES,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'x-frame-options': 'DENY',
    };
    for (const [name, value] of Object.entries(headers)) if (!c.res.headers.has(name)) c.res.headers.set(name, value);
  };
}
