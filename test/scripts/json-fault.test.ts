import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonFault } from '../../src/scripts/json-fault.ts';

describe('the place where a text stops being JSON', () => {
  test.each([
    ['', 1, 1, 'a value', 'the end'],
    ['{"a": NaN}', 1, 7, 'a value', 'NaN}'],
    ['{\n  "a": 1,\n  "b": 2,\n}', 4, 1, 'a name', '}'],
    ["{'a': 1}", 1, 2, 'a name or }', "'a': 1}"],
    ['{"a" 1}', 1, 6, ':', '1}'],
    ['[1 2]', 1, 4, ', or ]', '2]'],
    ['[1, 2', 1, 6, ', or ]', 'the end'],
    ['{"a": "x\ny"}', 1, 7, 'a value', '"x'],
    ['{"a": 01}', 1, 7, 'a value', '01}'],
    ['{"a": True}', 1, 7, 'a value', 'True}'],
    ['{}\n{}', 2, 1, 'nothing more', '{}'],
    ['{"a": [1, {"b": }]}', 1, 17, 'a value', '}]}'],
  ])('%j: line %i, column %i, expected %s, found %s', (text, line, column, expected, found) => {
    expect(() => JSON.parse(text)).toThrow(SyntaxError);
    expect(jsonFault(text)).toEqual({ line, column, expected, found });
  });

  test('is found in just those texts that JSON.parse refuses', () => {
    const nearlyJson = fc.tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '"', '}', ']', '1', '.', '-', 'e', 'null', '\\', '\u0001', ' ', ':', '\u007f', '\u0085')).map(([json, place, mark]) => {
      const at = place % (json.length + 1);
      return json.slice(0, at) + mark + json.slice(at + (place % 2));
    });
    fc.assert(
      fc.property(nearlyJson, (text) => {
        expect(jsonFault(text) === undefined).toBe(isJson(text));
      }),
      { numRuns: 3000 },
    );
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
