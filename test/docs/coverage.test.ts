import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, sources } from '../sources.ts';

/** How many rows each system has: features by the letter, defects by the letter and a d. */
const COUNTS = { T: 28, C: 37, B: 29, M: 25, F: 39, Td: 11, Cd: 13, Bd: 22, Md: 9, Fd: 14 } as const;
const ALL = Object.entries(COUNTS).flatMap(([letters, count]) => Array.from({ length: count }, (_, at) => `${letters}${at + 1}`));
const RESEARCH = path.join(ROOT, '../shared/research/seeds.md');

const page = sources('docs/coverage.md').get('docs/coverage.md') ?? '';
const rows = page
  .split('\n')
  .filter((line) => /^\| [TCBMF]d?\d+ \|/u.test(line))
  .map((line) => {
    const [, number = '', what = '', here = '', shownBy = ''] = line.split(/(?<!\\)\|/u).map((cell) => cell.trim());
    const links = [...shownBy.matchAll(/\[([^\]]+)\]\(\.\.\/(test\/[^)]+)\)/gu)].map(([, name = '', file = '']) => ({ name, file }));
    return { number, what, here, shownBy, links };
  });

describe('docs/coverage.md', () => {
  test('has every row of the five systems once', () => {
    expect(rows.map(({ number }) => number)).toEqual(ALL);
  });

  test('says in every row what it is, how it is done here, and what shows that', () => {
    expect(rows.filter(({ what, here, shownBy }) => what === '' || here === '' || shownBy === '')).toEqual([]);
    const odd = rows.filter(({ shownBy, links }) => links.length === 0 && !/^(?:not yet|no place)$/u.test(shownBy));
    expect(odd).toEqual([]);
    const [notYet, noPlace] = ['not yet', 'no place'].map((word) => rows.filter(({ shownBy }) => shownBy.startsWith(word)).map(({ number }) => number)) as [string[], string[]];
    const open = notYet.length === 0 ? '' : `: ${notYet.join(' ')}`;
    process.stdout.write(`Of ${rows.length} rows ${rows.length - noPlace.length - notYet.length} are shown by tests, ${noPlace.length} have no place, ${notYet.length} are not yet there${open}.\n`);
  });

  test('names tests that are there', () => {
    const missing = rows.flatMap(({ number, links }) => links.map((link) => ({ number, ...link }))).filter(({ file, name }) => !isThere(file, name));
    expect(missing).toEqual([]);
    expect(rows.filter(({ links }) => links.length > 0).length).toBeGreaterThan(100);
  });

  test('gives a reason where something has no place', () => {
    expect(rows.filter(({ shownBy, here }) => shownBy.startsWith('no place') && here.length < 5)).toEqual([]);
  });

  test.skipIf(!existsSync(RESEARCH))('has the rows of the research, no more and no fewer (needs ../shared/research/seeds.md)', () => {
    const text = readFileSync(RESEARCH, 'utf8');
    const features = [...text.matchAll(/^\| ([TCBMF]\d+) \|/gmu)].map(([, number = '']) => number);
    // A list of defects under each system's chapter.
    const defects = [...text.matchAll(/^### \d\.\d+ Defects and pain\n([\s\S]*?)(?=^---|^##)/gmu)].flatMap(([, list = ''], system) =>
      [...list.matchAll(/^(\d+)\. /gmu)].map(([, at]) => `${'TCBMF'[system]}d${at}`));
    expect([...features, ...defects].toSorted()).toEqual(ALL.toSorted());
  });
});

/** Whether a file of tests has a text of some length in a string: in the name of a test, or in a table of names. */
function isThere(file: string, name: string): boolean {
  const lines = (sources(file).get(file) ?? '').replaceAll(/\\(['"`])/gu, '$1').split('\n');
  return name.length >= 12 && lines.some((line) => line.includes(name) && /^[^/]*['"`]/u.test(line.slice(0, line.indexOf(name))));
}
