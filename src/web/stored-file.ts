import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import type { Ask, Reply } from './route.ts';

/** How a file is given out. */
export interface FileHeaders {
  /** `no-cache` (ask whether it changed, every time) unless given. */
  cacheControl?: string;
  /** More headers, or others than the ones that follow from the file. */
  headers?: Readonly<Record<string, string>>;
}

/**
 * A file as an answer, with ETag and Last-Modified; 304 where the asker has it already.
 *
 * @param file absolute path; a symbolic link, a folder or anything else that is no plain file counts as missing
 * @returns undefined where there is no such file
 */
export async function fileReply(file: string, ask: Pick<Ask, 'header'>, options: FileHeaders = {}): Promise<Reply | undefined> {
  // Not to block on a pipe, and not to follow a link out of the folder.
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error: NodeJS.ErrnoException) => {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'ENXIO', 'ENAMETOOLONG'].includes(error.code ?? '')) return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  try {
    const stat = await handle.stat();
    const { size, mtime, mtimeMs } = stat;
    if (!stat.isFile()) {
      await handle.close();
      return undefined;
    }
    const headers = {
      'content-type': TYPES[path.extname(file).toLowerCase()] ?? 'application/octet-stream',
      'content-length': String(size),
      etag: `"${size.toString(36)}-${Math.round(mtimeMs * 1000).toString(36)}"`,
      'last-modified': mtime.toUTCString(),
      'cache-control': options.cacheControl ?? 'no-cache',
      ...options.headers,
    };
    if (isFresh(ask, headers.etag, mtime)) {
      await handle.close();
      const { 'content-length': _length, ...kept } = headers;
      return { status: 304, body: null, headers: kept };
    }
    return { status: 200, body: Readable.toWeb(handle.createReadStream()) as ReadableStream, headers };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

// RFC 9110, 13.2.2: where the asker names an entity tag, the date does not count.
function isFresh(ask: Pick<Ask, 'header'>, etag: string, mtime: Date): boolean {
  const tags = ask.header('if-none-match');
  if (tags !== undefined) return tags === '*' || tags.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
  const since = Date.parse(ask.header('if-modified-since') ?? '');
  return since >= Math.floor(mtime.getTime() / 1000) * 1000;
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.csv': 'text/csv; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.log': 'text/plain; charset=utf-8',
  '.md': 'text/plain; charset=utf-8',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.woff2': 'font/woff2',
};
