import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { load } from 'js-yaml';
import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { isSkyPosition } from '../../../runners/science/sky.ts';

const text = await readFile(new URL('../../../fixtures/example/transients.yaml', import.meta.url), 'utf8');
const rows = load(text) as { name: unknown; ra_deg: number; dec_deg: number; redshift: number }[];
const table = new URL('../../../../shared/data/jones2018.csv', import.meta.url);

describe('the example of 273 supernovae', () => {
  it('has a reference in its head', () => {
    expect(text).toMatch(/^#[^\n]*\n(#[^\n]*\n)*# .*ApJ 867, 108/);
    expect(text).toContain('J/ApJ/867/108');
  });

  it('has 273 names, all texts, all different, none with characters that a name may not have', () => {
    expect(rows).toHaveLength(273);
    expect(rows.map(({ name }) => typeof name).filter((type) => type !== 'string')).toEqual([]);
    expect(new Set(rows.map(({ name }) => name)).size).toBe(273);
    expect(rows.filter(({ name }) => !/^[A-Za-z0-9]+([-_][A-Za-z0-9]+)*$/.test(name as string))).toEqual([]);
  });

  it('has positions and redshifts below 0.1', () => {
    for (const { name, ra_deg: raDeg, dec_deg: decDeg, redshift } of rows) {
      expect(isSkyPosition({ raDeg, decDeg }), String(name)).toBe(true);
      expect(redshift, String(name)).toBeGreaterThan(0.01);
      expect(redshift, String(name)).toBeLessThan(0.1);
    }
  });

  it.skipIf(!existsSync(table))('has the figures of the published table digit for digit (needs ../shared/data/jones2018.csv)', async () => {
    const published = parse(await readFile(table), { columns: true }) as Record<string, string>[];
    const lines = text.split('\n').filter((line) => line.startsWith('- '));
    expect(lines).toHaveLength(published.length);
    // the figures as they are written, and not as they are read, so that the last zeros count
    const written = (line: string, key: string) => new RegExp(`[{ ]${key}: '?([^,' }]+)'?`).exec(line)?.[1];
    const keys = ['name', 'ra_deg', 'dec_deg', 'redshift', 'ebv_mag', 'mb_mag', 'mb_err_mag', 'x1', 'x1_err', 'c', 'c_err', 'survey'];
    expect(Object.keys(published[0]!)).toEqual(keys);
    expect(lines.map((line) => keys.map((key) => written(line, key)))).toEqual(published.map((row) => keys.map((key) => row[key])));
  });
});
