import { ServiceError } from '../errors.ts';
import type { Json } from '../runner/outcome.ts';

/** A request to a server. */
export interface HttpQuestion {
  url: string;
  method: string;
  headers: Readonly<Record<string, string>>;
  /** For everything until the answer is read, seconds. */
  timeoutSeconds: number;
  /** A text goes as it is, anything else as JSON; undefined: no body. */
  data?: Json | undefined;
}

/** What came back. */
export interface HttpAnswer {
  /** Whether the status code is one of 2xx. */
  successful: boolean;
  statusCode: number;
  /** JSON where the answer says that it is, else text; of more than 100,000 bytes the beginning, as text. */
  response: Json;
}

/** Of an answer, so much is read, bytes. */
const MOST_BYTES = 100_000;
/** Beside 5xx, what is worth another attempt: the request came too slowly, or there were too many of them. Source: RFC 9110, 15.5.9; RFC 6585, 4. */
const PASSING = new Set([408, 425, 429]);

/**
 * Sends a request and reads the answer. An answer of 4xx is an answer.
 *
 * @throws {ServiceError} nobody answered in time, or with 5xx, 408, 425 or 429: worth another attempt. It names the server, and neither path nor headers, which may be secret.
 * @throws the signal's reason, where that fires
 */
export async function requestHttp({ url, method, headers, timeoutSeconds, data }: HttpQuestion, signal: AbortSignal): Promise<HttpAnswer> {
  const { origin, host } = new URL(url);
  const late = AbortSignal.timeout(timeoutSeconds * 1000);
  const isJson = data !== undefined && typeof data !== 'string';
  try {
    const answer = await fetch(url, {
      method,
      headers: { ...(isJson ? { 'content-type': 'application/json' } : {}), 'user-agent': 'afterglow', ...headers },
      body: isJson ? JSON.stringify(data) : (data as string | undefined),
      signal: AbortSignal.any([signal, late]),
    });
    const { status } = answer;
    const response = await read(answer);
    if (status >= 500 || PASSING.has(status)) throw new ServiceError(host, `${origin} answered with ${status}.`, { retryAt: retryAt(answer.headers.get('retry-after')) });
    return { successful: answer.ok, statusCode: status, response };
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    if (signal.aborted) throw signal.reason;
    if (late.aborted) throw new ServiceError(host, `${origin} did not answer within ${timeoutSeconds} s.`, { cause: error });
    const { cause, message } = error as Error;
    throw new ServiceError(host, `${origin} cannot be reached: ${(cause as Error | undefined)?.message ?? message}`, { cause: error });
  }
}

async function read(answer: Response): Promise<Json> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.length;
    // Leaving the loop gives up the rest.
    if (bytes > MOST_BYTES) break;
  }
  const text = Buffer.concat(chunks).subarray(0, MOST_BYTES).toString('utf8').replaceAll('\0', '');
  if (bytes > MOST_BYTES || !/\bjson\b/.test(answer.headers.get('content-type') ?? '')) return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** Seconds, or a date. */
function retryAt(header: string | null): Date | undefined {
  if (header === null || header.trim() === '') return undefined;
  const at = /^\d+$/.test(header.trim()) ? Date.now() + Number(header) * 1000 : Date.parse(header);
  return Number.isFinite(at) ? new Date(at) : undefined;
}
