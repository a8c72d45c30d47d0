import { expect, test } from 'vitest';
import { LastBytes } from '../../src/scripts/last-bytes.ts';
import { NoiseLines } from '../../src/scripts/noise-lines.ts';

test('of a long text the end is kept, from the beginning of a line on', () => {
  const last = new LastBytes(20);
  for (let n = 0; n < 1000; n += 1) last.add(Buffer.from(`line ${n}\n`));
  expect(last.text).toBe('… (8890 bytes in all)\nline 998\nline 999\n');
  expect(last.lastWords(10)).toBe('… line 999');
  expect(last.lastWords(100)).toBe('… line 998\nline 999');
});

test('of a short text all is kept', () => {
  const last = new LastBytes(20);
  expect(last.text).toBe('');
  expect(last.lastWords(10)).toBeUndefined();
  last.add(Buffer.from('one\ntwo\n'));
  expect(last.text).toBe('one\ntwo\n');
  expect(last.lastWords(10)).toBe('one\ntwo');
});

test('what was meant for a terminal is kept as plain text', () => {
  const last = new LastBytes(1000);
  last.add(Buffer.from('\u001b[31mfailed\u001b[0m: 3\n  5%|#   |\r 50%|##  |\r100%|####|\r\ndone\u0007\ttab\r\n'));
  expect(last.text).toBe('failed: 3\n100%|####|\ndone\ttab\n');
});

test('of many lines as many are told as a log can take, and what is left out is counted', () => {
  const told: string[] = [];
  const lines = new NoiseLines((line) => told.push(line));
  for (let n = 0; n < 1000; n += 1) lines.push(Buffer.from(`line ${String(n).padStart(4, '0')}\n`));
  lines.end();
  expect(told.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, n) => `line ${String(n).padStart(4, '0')}`));
  expect(told.length).toBeLessThan(200);
  const left = Number(/^… (\d+) bytes of its output were left out here$/.exec(told.at(-1)!)?.[1]);
  expect(left + (told.length - 1) * 10).toBe(10_000);
});

test('a line without an end is told once, by its beginning', () => {
  const told: string[] = [];
  const lines = new NoiseLines((line) => told.push(line));
  for (let n = 0; n < 100; n += 1) lines.push(Buffer.from('x'.repeat(1000)));
  lines.push(Buffer.from('\nnext\nla'));
  lines.push(Buffer.from('st'));
  lines.end();
  expect(told).toEqual(['x'.repeat(2000), 'next', 'last']);
});
