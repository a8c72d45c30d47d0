import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import { ConfigError } from '../errors.ts';

/** A server that listens. */
export interface WebServer {
  /** Where a browser on this machine finds it, with a slash at the end. */
  readonly url: string;
  /** Takes no more requests; those under way have half a second. Connections that are kept alive end at once. */
  close(): Promise<void>;
}

const GRACE_MS = 500;

/**
 * Serves the pages.
 *
 * @param at `host` an address or name of this machine, e.g. 127.0.0.1 for this machine alone and 0.0.0.0 or :: for everybody;
 *   `port` 0 takes any free one
 * @throws {ConfigError} the port is in use or may not be used, or the machine has no such address
 */
export async function serveWeb(app: Hono, at: { host: string; port: number }): Promise<WebServer> {
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explained(error, at)));
    server.listen(at.port, at.host, resolve);
  });
  return {
    url: `http://${nameOf(at.host)}:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        const grace = setTimeout(() => server.closeAllConnections(), GRACE_MS);
        server.close(() => {
          clearTimeout(grace);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function nameOf(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function explained(error: NodeJS.ErrnoException, { host, port }: { host: string; port: number }): Error {
  const cause = { cause: error };
  if (error.code === 'EADDRINUSE') {
    return new ConfigError(`Port ${port} of ${host} is in use by another program, maybe another Afterglow. Stop that one, or choose another port with --port.`, cause);
  }
  if (error.code === 'EACCES') return new ConfigError(`Port ${port} needs rights that this user does not have. Choose one above 1023 with --port.`, cause);
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    return new ConfigError(`This machine has no address "${host}" to serve the pages on; 127.0.0.1 always works.`, cause);
  }
  return error;
}
