import { appendFileSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lastLines, rotate, sizeOf } from '../../../src/db/postgres/log-file.ts';

const root = mkdtempSync(path.join(os.tmpdir(), 'afterglow-log-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('a log of over 10 MB is set aside while the server goes on writing, a smaller one is left alone', () => {
  const log = path.join(root, 'large.log');
  const server = openSync(log, 'a');
  writeSync(server, 'x'.repeat(10 * 1024 * 1024));
  rotate(log);
  expect(sizeOf(log)).toBe(10 * 1024 * 1024);
  writeSync(server, 'y');
  rotate(log);
  expect(statSync(`${log}.1`).size).toBe(10 * 1024 * 1024 + 1);
  writeSync(server, 'next\n');
  closeSync(server);
  expect(readFileSync(log, 'utf8')).toBe('next\n');
});

test('the last lines are those since a place, at most twelve, and none of a log that is not there', () => {
  const log = path.join(root, 'small.log');
  expect(lastLines(log)).toEqual([]);
  writeFileSync(log, 'of an earlier run\n');
  const from = sizeOf(log);
  expect(lastLines(log, from)).toEqual([]);
  appendFileSync(log, Array.from({ length: 20 }, (_, n) => `line ${n}\n`).join(''));
  expect(lastLines(log, from)).toEqual(Array.from({ length: 12 }, (_, n) => `line ${n + 8}`));
});
