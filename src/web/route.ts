import type { Context, Hono } from 'hono';
import type { StatusCode } from 'hono/utils/http-status';

/** What a handler is asked. */
export interface Ask {
  /** The named parts of the path, decoded. */
  params: Readonly<Record<string, string>>;
  query: Readonly<Record<string, string>>;
  /** A header of the request. */
  header(name: string): string | undefined;
  /** The body, undefined where it has more bytes than that: then no more of it is read. */
  body(mostBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** What a handler answers. */
export interface Reply {
  status: StatusCode;
  /** Null where there is none, as with 304. */
  body: string | Uint8Array<ArrayBuffer> | ReadableStream | null;
  headers?: Readonly<Record<string, string>>;
}

/** A line of the table of routes. HEAD is answered as GET, without the body. */
export interface Route {
  method: 'get' | 'post';
  /** Below the base path; `:name` matches one part. */
  path: string;
  handler: (ask: Ask) => Promise<Reply> | Reply;
}

/** Puts the table into the application. */
export function mount(app: Hono, routes: readonly Route[]): void {
  for (const { method, path, handler } of routes) app[method](path, async (c) => respond(c, await handler(toAsk(c))));
}

/** A page or a part of one. */
export function htmlReply(body: string, status: StatusCode = 200): Reply {
  return { status, body, headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' } };
}

export function jsonReply(body: unknown, status: StatusCode = 200): Reply {
  return { status, body: JSON.stringify(body), headers: { 'content-type': 'application/json', 'cache-control': 'no-store' } };
}

/** Sends a browser on to a page, after a form has done what it is for: loading that page again does nothing twice. */
export function seeOther(location: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status: 303, body: null, headers: { location, 'cache-control': 'no-store', ...headers } };
}

/** One sentence as plain text. */
export function textReply(sentence: string, status: StatusCode): Reply {
  return { status, body: `${sentence}\n`, headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' } };
}

export function respond(c: Context, { status, body, headers }: Reply): Response {
  // Hono answers HEAD with the headers of GET and leaves the body unread: the file behind it would stay open.
  const isUnread = c.req.method === 'HEAD' && body instanceof ReadableStream;
  if (isUnread) void body.cancel();
  return c.body((isUnread ? null : body) as string, status as 200, headers === undefined ? undefined : { ...headers });
}

/** What a handler is asked by a request. */
export function toAsk(c: Context): Ask {
  return { params: c.req.param(), query: c.req.query(), header: (name) => c.req.header(name), body: (mostBytes) => readBody(c.req.raw, mostBytes) };
}

async function readBody(request: Request, mostBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (Number(request.headers.get('content-length') ?? 0) > mostBytes) return undefined;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > mostBytes) return undefined;
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks, bytes));
}
