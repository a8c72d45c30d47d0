import fc from 'fast-check';
import { stringify } from 'csv-stringify/sync';
import { describe, expect, it } from 'vitest';
import { readRequestsCsv } from '../../src/requests/read-csv.ts';

const HEADER = 'email,request_type,request_date';

describe('a CSV file of requests', () => {
  it('T23: takes what says nothing for missing, and hands on nothing of it', () => {
    const { values, problems } = readRequestsCsv(`${HEADER},identifiers.uuid,identifiers.ga_clientid,notes\na@example.org,delete,2026-11-20,N/A, none ,n/a\n`, 'f.csv');
    expect(problems).toEqual([]);
    expect(values).toEqual([{ email: 'a@example.org', request_type: 'delete', request_date: '2026-11-20' }]);
  });

  it('names the line on which a request begins, whatever breaks its lines', () => {
    const { values, lines } = readRequestsCsv(`${HEADER},notes\r\n"a@example.org",delete,2026-11-20,"one\r\ntwo\r\nthree"\r\n\r\nb@example.org,delete,2026-11-20,\r\n`, 'f.csv');
    expect(lines).toEqual([2, 6]);
    expect(values.map(({ email }) => email)).toEqual(['a@example.org', 'b@example.org']);
  });

  it.each([
    ['an empty file', '', { line: 0, found: 'an empty file' }],
    ['a header alone', `${HEADER}\n`, { line: 0, found: 'none' }],
    ['a column of another name', 'email,request_type,request_date,note\nx,y,z,\n', { line: 1, found: '"note"', nearest: 'notes' }],
    ['a column twice', `${HEADER},email\n1,2,3,4\n`, { line: 1, found: '"email" again' }],
    ['a column that is missing', 'email,request_type\na,b\n', { line: 1, expected: 'a column request_date', found: 'none' }],
    ['a line that is too short', `${HEADER}\na,b\n`, { line: 2, expected: '3 values, as in the header', found: '2' }],
    ['a quote that is never closed', `${HEADER}\n"a,b,c\nd,e,f\n`, { expected: expect.stringContaining('quotes closed') }],
  ])('is refused whole where it has %s', (_what, text, problem) => {
    const read = readRequestsCsv(text, 'f.csv');
    expect(read.problems).toMatchObject([{ file: 'f.csv', ...problem }]);
    expect(read.values).toEqual([]);
  });

  it('gives back what was written into it', () => {
    const value = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map((text) => `v${text}`.replaceAll('\r', '').trim());
    fc.assert(fc.property(fc.array(fc.record({ email: value, request_type: value, request_date: value, notes: value, uuid: value }), { minLength: 1, maxLength: 5 }), (rows) => {
      const text = stringify(rows, { header: true, columns: [...HEADER.split(',').map((key) => ({ key })), { key: 'notes' }, { key: 'uuid', header: 'identifiers.uuid' }] });
      expect(readRequestsCsv(text, 'f.csv').values).toEqual(rows.map(({ uuid, ...row }) => ({ ...row, identifiers: { uuid } })));
    }), { numRuns: 200 });
  });
});
