import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextBatch } from '../../src/requests/batch.ts';

const next = (batch: 'weekly' | 'monthly', now: string) => nextBatch(batch, new Date(now)).toISOString();

describe('the next batch', () => {
  it('is on Monday, or on the first of the month, 00:00 UTC', () => {
    expect(next('weekly', '2026-11-21T12:00:00Z')).toBe('2026-11-23T00:00:00.000Z');
    expect(next('weekly', '2026-11-22T23:59:59Z')).toBe('2026-11-23T00:00:00.000Z');
    expect(next('weekly', '2026-11-23T00:00:00Z')).toBe('2026-11-30T00:00:00.000Z');
    expect(next('monthly', '2026-12-31T23:59:59Z')).toBe('2027-01-01T00:00:00.000Z');
    expect(next('monthly', '2026-02-01T00:00:00Z')).toBe('2026-03-01T00:00:00.000Z');
  });

  it('always comes after now, within a week or a month, and is the same for all that wait for it', () => {
    fc.assert(fc.property(fc.date({ min: new Date('2020-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }), fc.constantFrom('weekly' as const, 'monthly' as const), (now, batch) => {
      const opens = nextBatch(batch, now);
      const days = (opens.getTime() - now.getTime()) / 86_400_000;
      expect(days).toBeGreaterThan(0);
      expect(days).toBeLessThanOrEqual(batch === 'weekly' ? 7 : 31);
      expect(batch === 'weekly' ? opens.getUTCDay() : opens.getUTCDate()).toBe(1);
      expect(nextBatch(batch, new Date(opens.getTime() - 1))).toEqual(opens);
    }));
  });
});
