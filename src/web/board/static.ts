import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Context, MiddlewareHandler } from 'hono';
import { keep } from '../keep.ts';
import { jsonReply, respond, textReply } from '../route.ts';
import { fileReply } from '../stored-file.ts';
import { OUR_WORDS, withWords } from './words.ts';

const FOLDER = path.join(path.dirname(createRequire(import.meta.url).resolve('@bull-board/ui/package.json')), 'dist', 'static');

/** The names of built files carry a hash of what is in them. */
const HASHED = /\.[0-9a-f]{10}\.(js|css)$/;

/**
 * The files that the board's page is made of, out of its package, for the board's Hono adapter: with ETags, and from any working
 * folder. Its English words are given with ours in place of a few.
 */
export function boardStatics(options: { rewriteRequestPath(path: string): string }): MiddlewareHandler {
  return async (c: Context) => {
    const ask = { header: (name: string) => c.req.header(name) };
    const file = path.join(FOLDER, path.normalize(`/${options.rewriteRequestPath(c.req.path)}`));
    if (file === path.join(FOLDER, 'locales', 'en-US', 'messages.json')) return respond(c, jsonReply(await englishWords()));
    const reply = await fileReply(file, ask, { cacheControl: HASHED.test(file) ? 'public, max-age=31536000, immutable' : 'no-cache' });
    return respond(c, reply ?? textReply('There is no such file.', 404));
  };
}

const englishWords = keep(async () => {
  const words: unknown = JSON.parse(await readFile(path.join(FOLDER, 'locales', 'en-US', 'messages.json'), 'utf8'));
  return withWords(words as Record<string, unknown>, OUR_WORDS);
}, 3_600_000);
