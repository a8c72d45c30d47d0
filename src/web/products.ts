import path from 'node:path';
import { textReply, type Ask, type Reply } from './route.ts';
import { fileReply } from './stored-file.ts';

// A drawing may style itself and nothing else: no script in it runs, wherever it is opened.
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

/**
 * A file of the products folder. Names that lead elsewhere, hidden files, links and folders do not exist here.
 *
 * @param folder absolute path
 */
export async function productReply(folder: string, ask: Ask): Promise<Reply> {
  const name = ask.params.file ?? '';
  const reply = isPlainName(name) ? await fileReply(path.join(folder, name), ask, { headers: { 'content-security-policy': POLICY } }) : undefined;
  return reply ?? textReply('There is no such product.', 404);
}

function isPlainName(name: string): boolean {
  return name !== '' && !name.startsWith('.') && !/[/\\\0]/.test(name) && path.basename(name) === name;
}
