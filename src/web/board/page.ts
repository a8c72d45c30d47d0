import type { MiddlewareHandler } from 'hono';

/**
 * Makes the board's page ask this machine alone: links to style sheets and fonts elsewhere are taken out, and a sheet of ours,
 * which hides the buttons for acts that the register does not have, is put in.
 */
export function localPage(stylesheet: string): MiddlewareHandler {
  return async (c, next) => {
    await next();
    if (c.res.headers.get('content-type')?.startsWith('text/html') !== true) return;
    const page = await c.res.text();
    c.res = new Response(
      page.replaceAll(/<link\b[^>]*\bhref="(?:https?:)?\/\/[^>]*>\s*/gi, '').replace('</head>', `<link href="${stylesheet}" rel="stylesheet"></head>`),
      { status: c.res.status, headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' } },
    );
  };
}
