import { describe, expect, test } from 'vitest';
import { sources } from '../sources.ts';

interface ErrorClass {
  code: string;
  exitCode: number;
}

const files = sources('{src,runners}/**/*.ts');
const page = sources('docs/errors.md').get('docs/errors.md') ?? '';

describe('docs/errors.md', () => {
  const inCode = errorClasses([...files.values()]);
  const onPage = entries(page);

  test('has the errors of the code, with their codes and exit codes, and no others', () => {
    expect(Object.fromEntries(onPage)).toEqual(Object.fromEntries(inCode));
    expect(inCode.size).toBeGreaterThan(10);
  });

  test('says of each when it comes and what to do', () => {
    const silent = sections(page).filter(({ text }) => !/^\*\*When\.\*\* \S/m.test(text) || !/^\*\*What to do\.\*\* \S/m.test(text));
    expect(silent.map(({ title }) => title)).toEqual([]);
  });

  test('gives every error a code of its own', () => {
    const codes = [...inCode.values()].map(({ code }) => code);
    expect(codes.filter((code, at) => codes.indexOf(code) !== at)).toEqual([]);
  });
});

test('error classes are found wherever they are, those of error classes too', () => {
  const made = [
    `export abstract class AfterglowError extends Error {\n  readonly exitCode: 1 | 2 | 3 = 1;\n}\n`,
    `export class NightError extends AfterglowError {\n  readonly code: string = 'NIGHT';\n  override readonly exitCode = 3;\n}\n`,
    `import { NightError } from './night.ts';\n\nexport class MoonError extends NightError {\n  override readonly code = 'MOON';\n}\n\nclass Other extends Error {}\n`,
  ];
  expect(Object.fromEntries(errorClasses(made.toReversed()))).toEqual({ NightError: { code: 'NIGHT', exitCode: 3 }, MoonError: { code: 'MOON', exitCode: 3 } });
});

/** Every subclass of AfterglowError, direct or not. What a class does not say itself it has from the one that it extends. */
function errorClasses(texts: readonly string[]): Map<string, ErrorClass> {
  const declared = texts.flatMap((text) => [...text.matchAll(/^(?:export )?(?:abstract )?class (\w+) extends (\w+)(?: implements [^{]*)? \{(?:\}|\n(.*?)^\})/gms)]);
  const found = new Map<string, ErrorClass>([['AfterglowError', { code: '', exitCode: 1 }]]);
  for (let before = 0; before !== found.size; ) {
    before = found.size;
    for (const [, name = '', parent = '', body = ''] of declared) {
      const inherited = found.get(parent);
      if (inherited === undefined) continue;
      const code = /readonly code(?:: string)? = '(\w+)'/.exec(body)?.[1] ?? inherited.code;
      const exitCode = Number(/readonly exitCode[^=]*= (\d)/.exec(body)?.[1] ?? inherited.exitCode);
      found.set(name, { code, exitCode });
    }
  }
  found.delete('AfterglowError');
  return found;
}

function entries(markdown: string): Map<string, ErrorClass> {
  return new Map(
    sections(markdown).map(({ title, text }) => {
      const [, code = '', exitCode] = /^Code `(\w+)`, exit code (\d)\.$/m.exec(text) ?? [];
      return [title, { code, exitCode: Number(exitCode) }];
    }),
  );
}

function sections(markdown: string): { title: string; text: string }[] {
  return markdown
    .split(/^## /m)
    .slice(1)
    .map((section) => ({ title: section.slice(0, section.indexOf('\n')), text: section }));
}
