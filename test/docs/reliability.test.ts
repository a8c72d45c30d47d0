import { expect, test } from 'vitest';
import { sources } from '../sources.ts';

const page = sources('docs/reliability.md').get('docs/reliability.md') ?? '';
const rows = [...page.matchAll(/^\| ([^|]+) \| ([^|]+) \| (test\/[\w/.-]+\.test\.ts): ([^|]+) \|$/gm)].map(([, where, , file, name]) => ({ where: where!, file: file!, name: name!.trim() }));

test('what went wrong elsewhere is tried here, each by the test that the page names', () => {
  expect(rows.length).toBeGreaterThanOrEqual(24);
  const missing = rows.filter(({ file, name }) => !(sources(file).get(file) ?? '').replaceAll("\\'", "'").includes(name));
  expect(missing).toEqual([]);
});

test('every row of the table names a test', () => {
  const table = page.slice(page.indexOf('| where |')).split('\n').filter((line) => line.startsWith('| ')).slice(1);
  expect(table.length).toBe(rows.length);
});
