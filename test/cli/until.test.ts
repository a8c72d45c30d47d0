import { describe, expect, test } from 'vitest';
import { parseUntil } from '../../src/cli/until.ts';

describe('until when something lasts', () => {
  test.each([['90s', 90], ['90m', 5400], ['2d', 172_800], ['1h30m', 5400], ['1d 12h', 129_600], ['1.5h', 5400], ['1w', 604_800]])('%s is a span', (text, seconds) => {
    expect(parseUntil(text)).toBe(seconds);
  });

  test.each([['2026-12-01', '2026-12-01T00:00:00.000Z'], ['2026-12-01T06:00', '2026-12-01T06:00:00.000Z'], ['2026-12-01 06:00:30+02:00', '2026-12-01T04:00:30.000Z']])('%s is a time, in UTC where it says nothing else', (text, iso) => {
    expect(parseUntil(text)).toEqual(new Date(iso));
  });

  test.each(['', 'tomorrow', '2', '2x', 'd', '2d!', '-2d', '2026-13-01', '1h 2026-12-01'])('"%s" is neither, and is refused with what would be', (text) => {
    expect(() => parseUntil(text)).toThrow(/90m, 2d or 1h30m, or a date such as/);
  });
});
