import { createHash, timingSafeEqual } from 'node:crypto';
import { isLoopback } from './guard.ts';
import { textReply, type Ask, type Reply } from './route.ts';

/** Who asks, where that is known: the name that a browser asked for. */
export type Caller = { readonly name: string | undefined };

/**
 * Lets in who may see and change what concerns people. Without a token, that is everybody on this machine and nobody else. With one,
 * whoever knows it: `Authorization: Bearer <token>`, or in a browser any name with the token as the password.
 *
 * @param host what the server listens on
 */
export function tokenGuard(host: string, token: string | undefined): (ask: Ask) => Caller | Reply {
  const wanted = token === undefined ? undefined : digest(token);
  return (ask) => {
    if (wanted === undefined) {
      if (isLoopback(host)) return { name: undefined };
      return textReply('Requests are closed to other machines until AFTERGLOW_API_TOKEN is set.', 403);
    }
    const given = credentialsOf(ask.header('authorization') ?? '');
    // Digests have one length, and are compared in a time that does not tell how far they are equal.
    if (given !== undefined && timingSafeEqual(digest(given.token), wanted)) return { name: given.name };
    const refusal = textReply('This needs the token of this server (AFTERGLOW_API_TOKEN): as a bearer token, or in a browser as the password beside your name.', 401);
    return { ...refusal, headers: { ...refusal.headers, 'www-authenticate': 'Basic realm="Afterglow requests", charset="UTF-8"' } };
  };
}

function credentialsOf(header: string): { name: string | undefined; token: string } | undefined {
  const [, scheme = '', value = ''] = /^(\S+) +(\S+) *$/.exec(header) ?? [];
  if (scheme.toLowerCase() === 'bearer') return { name: undefined, token: value };
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const text = Buffer.from(value, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon === -1 ? undefined : { name: cleanText(text.slice(0, colon)).trim().slice(0, 100) || undefined, token: text.slice(colon + 1) };
}

/** A text without what no database keeps: NUL, and halves of characters. */
export const cleanText = (text: string): string => text.replaceAll('\0', '').toWellFormed();

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
