import { describe, expect, test } from 'vitest';
import { isLabel, readConfig } from '../src/config.ts';

describe('the settings', () => {
  test('have leases of 20 s and no labels unless told otherwise', () => {
    expect(readConfig({}, {})).toMatchObject({ leaseSeconds: 20, labels: [] });
    expect(readConfig({}, { AFTERGLOW_LABELS: '' }).labels).toEqual([]);
  });

  test('take labels from the environment, separated by commas, or from the options alone', () => {
    const env = { AFTERGLOW_LABELS: 'gpu, site:lasilla ,memory-64' };
    expect(readConfig({}, env).labels).toEqual(['gpu', 'site:lasilla', 'memory-64']);
    expect(readConfig({ labels: undefined }, env).labels).toHaveLength(3);
    expect(readConfig({ labels: ['tape'] }, env).labels).toEqual(['tape']);
  });

  test.each(['two words', 'a,,b', ',', 'x'.repeat(65), 'ümlaut'])('refuse the labels %j', (labels) => {
    expect(() => readConfig({}, { AFTERGLOW_LABELS: labels })).toThrow(`AFTERGLOW_LABELS: expected labels separated by commas, of letters, digits and . _ : / -, found ${JSON.stringify(labels)}`);
  });

  test('know a label when they see one', () => {
    expect(['gpu', 'a.b_c:d/e-f', 'x'.repeat(64)].filter((text) => !isLabel(text))).toEqual([]);
    expect(['', 'a b', 'a,b', 'x'.repeat(65)].filter(isLabel)).toEqual([]);
  });
});
