import { InvalidArgumentError } from 'commander';
import { parseTimestamp, TIMESTAMP } from '../fixtures/timestamp.ts';

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/**
 * Reads until when something is to last: a time, or a span from now on such as `2d` or `1h30m`, which comes as seconds.
 *
 * @throws {InvalidArgumentError} it is neither
 */
export function parseUntil(text: string): Date | number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)\s*([smhdw])\s*/gy)];
  if (parts.length > 0 && parts.reduce((length, [part]) => length + part.length, 0) === text.length) {
    return parts.reduce((sum, [, number, unit]) => sum + Number(number) * SECONDS[unit!]!, 0);
  }
  const at = parseTimestamp(text);
  if (at === undefined) throw new InvalidArgumentError(`Expected a span such as 90m, 2d or 1h30m, or ${TIMESTAMP}.`);
  return at;
}
