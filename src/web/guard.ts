import type { MiddlewareHandler } from 'hono';
import { respond, textReply } from './route.ts';

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** Whether only programs of this machine reach an address that a server listens on. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * Refuses requests that name another host than ours: a page elsewhere can give its own name our address ("DNS rebinding") and
 * would then count as our own page. Listening on more than this machine, only `allowedHosts` can say which names are ours; empty
 * then means any.
 *
 * @param host what we listen on
 * @param allowedHosts names without ports
 */
export function hostGuard(host: string, allowedHosts: readonly string[]): MiddlewareHandler {
  const ours = new Set([...allowedHosts, ...(isLoopback(host) ? [...LOOPBACK, bracketed(host)] : [])].map((name) => name.toLowerCase()));
  const open = !isLoopback(host) && allowedHosts.length === 0;
  if (!open) for (const name of LOOPBACK) ours.add(name);
  return async (c, next) => {
    const named = hostname(c.req.header('host') ?? new URL(c.req.url).host);
    if (open || ours.has(named)) return next();
    return respond(c, textReply(`This server does not answer to the name "${named}".`, 403));
  };
}

/**
 * Refuses what another site's page would have a visitor's browser do: anything but reading must come from a page of ours, or from
 * no page at all (a command line). Browsers say where a request comes from, and pages cannot change what they say.
 */
export function originGuard(): MiddlewareHandler {
  return async (c, next) => {
    if (['GET', 'HEAD', 'OPTIONS'].includes(c.req.method)) return next();
    const site = c.req.header('sec-fetch-site');
    const origin = c.req.header('origin');
    const isOurs = site === undefined ? origin === undefined || sameHost(origin, c.req.header('host') ?? new URL(c.req.url).host) : ['same-origin', 'none'].includes(site);
    if (isOurs) return next();
    return respond(c, textReply('This request comes from a page of another site.', 403));
  };
}

function sameHost(origin: string, host: string): boolean {
  try {
    return new URL(origin).host === host.toLowerCase();
  } catch {
    return false;
  }
}

const hostname = (host: string): string => host.replace(/:\d*$/, '').toLowerCase();
const bracketed = (host: string): string => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host);
