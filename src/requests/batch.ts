import type { Batch } from '../runner/request.ts';

/**
 * When the next batch opens: on Monday 00:00 UTC, or on the first of the month 00:00 UTC.
 *
 * @returns an instant after `now`, never `now` itself
 */
export function nextBatch(batch: Batch, now: Date): Date {
  const [year, month, day] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()];
  if (batch === 'monthly') return new Date(Date.UTC(year, month + 1, 1));
  // Sunday is 0, and the day before Monday.
  return new Date(Date.UTC(year, month, day + 7 - ((now.getUTCDay() + 6) % 7)));
}
