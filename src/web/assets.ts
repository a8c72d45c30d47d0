import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { textReply, type Ask, type Reply } from './route.ts';
import { fileReply } from './stored-file.ts';

const own = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const FILES: Readonly<Record<string, string>> = {
  'afterglow.css': own('./page/afterglow.css'),
  'requests.css': own('./page/requests.css'),
  'page.js': own('./page/page.js'),
  'icon.svg': own('./page/icon.svg'),
  'board.css': own('./board/board.css'),
  'htmx.js': createRequire(import.meta.url).resolve('htmx.org/dist/htmx.min.js'),
};

/** A file that our pages are made of. */
export async function assetReply(ask: Ask): Promise<Reply> {
  const name = ask.params.name ?? '';
  const reply = Object.hasOwn(FILES, name) ? await fileReply(FILES[name]!, ask) : undefined;
  return reply ?? textReply('There is no such file.', 404);
}
