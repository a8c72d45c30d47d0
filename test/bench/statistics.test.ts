import { expect, test } from 'vitest';
import { median, quantile } from '../../bench/statistics.ts';
import { markdown } from '../../bench/table.ts';

test('a quantile lies between its neighbours, whatever the order of the values', () => {
  // R: quantile(c(1, 2, 3, 4, 10), c(0.5, 0.95)) is 3.0 and 8.8.
  expect(median([10, 1, 3, 2, 4])).toBe(3);
  expect(quantile([10, 1, 3, 2, 4], 0.95)).toBeCloseTo(8.8, 12);
  expect(quantile([7], 0.95)).toBe(7);
  expect(() => quantile([], 0.5)).toThrow(RangeError);
});

test('a table shows three digits, numbers to the right', () => {
  const rows = [
    ['few', 0.012345, 1234567],
    ['a | b', 12.5, 100],
  ];
  expect(markdown({ title: 'Times', head: ['what', 'ms', 'count'], rows })).toBe(
    [
      '**Times**',
      '',
      '| what   |     ms |     count |',
      '| ------ | -----: | --------: |',
      '| few    | 0.0123 | 1,234,567 |',
      '| a \\| b |   12.5 |       100 |',
    ].join('\n'),
  );
});
