/** Where a text stops being JSON. Lines and columns from 1, columns in characters. */
export interface JsonFault {
  line: number;
  column: number;
  expected: string;
  found: string;
}

// RFC 8259: white space, then one token.
const TOKEN = /[ \t\n\r]*(?:([{}[\],:])|("(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|(?:true|false|null)(?!\w)))/uy;
/** How much of what was found is shown, characters. */
const SHOWN = 40;

type Expected = 'a value' | 'a value or ]' | 'a name or }' | 'a name' | ':' | ', or }' | ', or ]' | 'nothing more';

/**
 * Finds the first place where a text is no JSON: what `JSON.parse` throws does not always say where.
 *
 * @returns undefined where it is JSON
 */
export function jsonFault(text: string): JsonFault | undefined {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'a value';
  let at = 0;
  const afterValue = (): Expected => (open.length === 0 ? 'nothing more' : open.at(-1) === '{' ? ', or }' : ', or ]');
  for (;;) {
    TOKEN.lastIndex = at;
    const [whole, mark, string, scalar] = TOKEN.exec(text) ?? [];
    const isValue: boolean = expected === 'a value' || expected === 'a value or ]';
    if (whole === undefined) break;
    if (isValue && (mark === '{' || mark === '[')) {
      open.push(mark);
      expected = mark === '{' ? 'a name or }' : 'a value or ]';
    } else if (isValue && (string ?? scalar) !== undefined) expected = afterValue();
    else if (string !== undefined && (expected === 'a name' || expected === 'a name or }')) expected = ':';
    else if (mark === ':' && expected === ':') expected = 'a value';
    else if (mark === ',' && expected === ', or }') expected = 'a name';
    else if (mark === ',' && expected === ', or ]') expected = 'a value';
    else if ((mark === '}' && (expected === ', or }' || expected === 'a name or }')) || (mark === ']' && (expected === ', or ]' || expected === 'a value or ]'))) {
      open.pop();
      expected = afterValue();
    } else break;
    at += whole.length;
  }
  const rest = text.slice(at);
  const place = at + rest.length - rest.trimStart().length;
  if (place === text.length && expected === 'nothing more') return undefined;
  const before = text.slice(0, place).split('\n');
  return { line: before.length, column: before.at(-1)!.length + 1, expected, found: shown(text.slice(place)) };
}

function shown(rest: string): string {
  const line = rest.split('\n', 1)[0]!.trimEnd();
  if (rest === '') return 'the end';
  return line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line;
}
