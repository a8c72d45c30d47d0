import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, sources } from '../sources.ts';

const pages = sources('*.md', 'docs/**/*.md');
const commands = [...sources('src/cli/*.ts').values()].join('\n');
const { scripts } = JSON.parse(sources('package.json').get('package.json')!) as { scripts: Record<string, string> };

test('there are pages to look at', () => {
  expect([...pages.keys()]).toEqual(expect.arrayContaining(['CONTRIBUTING.md', 'docs/errors.md', 'docs/glossary.md', 'docs/operating.md']));
});

describe.each([...pages])('%s', (page, text) => {
  test('links to files and headings that are there', () => {
    expect(deadLinks(page, text)).toEqual([]);
  });

  test('names files of the repository that are there', () => {
    expect(missingFiles(text)).toEqual([]);
  });

  test('has commands that can be run', () => {
    expect(unknownCommands(text)).toEqual([]);
  });
});

test('the settings in the page are those of the code, with their defaults', () => {
  const declared = [...(sources('src/config.ts').get('src/config.ts') ?? '').matchAll(/^ {2}((?:AFTERGLOW|DATABASE|REDIS)_\w+|ENGINE): (.*),$/gm)];
  const inCode = declared.map(([, name, schema = '']) => [name, /\.default\('?([^')]*)'?\)/.exec(schema)?.[1] ?? 'none']);
  const onPage = [...(pages.get('docs/operating.md') ?? '').matchAll(/^\| `(\w+)` \| (.*?) \|/gm)].map(([, name, value = '']) => [name, value]);
  expect(onPage.map(([name]) => name)).toEqual(inCode.map(([name]) => name));
  // The shipped fixtures and runners are described, not written out.
  const plain = onPage.filter(([, value]) => !value?.startsWith('the shipped'));
  expect(plain.map(([name, value]) => [name, value?.replaceAll('`', '')])).toEqual(inCode.filter(([name]) => plain.some(([other]) => other === name)));
  expect(plain.length).toBeGreaterThan(5);
});

describe('a page with mistakes', () => {
  const page = [
    '# Title of it',
    'See [a](errors.md), [b](gone.md), [c](errors.md#leaselosterror), [d](errors.md#nothing), [e](#title-of-it), [f](https://example.org/x).',
    'Files: `src/errors.ts`, `src/gone.ts`, `test/*.test.ts`, `runners/my-task.ts`, `data/postgres`.',
    '```sh',
    'npx afterglow status --json && afterglow juggle --json | cat',
    'npm start -- --until-idle --juggle',
    'npm run lint && npm run juggle',
    'node src/main.ts check; node bench/gone.ts',
    '```',
    'Say `afterglow retry` or `afterglow dance`, and the class `AfterglowError`.',
  ].join('\n');

  test('is told of each of them', () => {
    expect(deadLinks('docs/made-up.md', page)).toEqual(['gone.md', 'errors.md#nothing']);
    expect(missingFiles(page)).toEqual(['bench/gone.ts', 'src/gone.ts']);
    expect(unknownCommands(page)).toEqual(['afterglow juggle', 'npm start --juggle', 'npm run juggle', 'afterglow dance']);
  });
});

function deadLinks(page: string, text: string): string[] {
  const links = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link).filter((link) => !/^[a-z]+:/.test(link));
  return links.filter((link) => {
    const [file = '', heading] = link.split('#');
    const target = file === '' ? page : path.posix.join(path.posix.dirname(page), file);
    if (!existsSync(path.join(ROOT, target)) && target !== page) return true;
    return heading !== undefined && !headings(target === page ? text : (sources(target).get(target) ?? '')).includes(heading);
  });
}

/** As GitHub makes them: lower case, without punctuation, blanks as hyphens. */
function headings(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => title.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'));
}

/** Words of code that begin with a folder of ours. Patterns and places to fill in are none; `my-` marks a file that the reader makes. */
function missingFiles(text: string): string[] {
  const words = code(text).flatMap((line) => line.split(/[\s"';,()=]+/));
  const named = words.map((word) => word.replace(/^\.\//, '').replace(/[.:]$/, '').split('#')[0] ?? '');
  const ours = named.filter((word) => /^(?:src|test|docs|fixtures|runners|bench|bin|\.ci)\/./.test(word) && !/[*<>{}…$]|my-/.test(word));
  return [...new Set(ours)].filter((file) => !existsSync(path.join(ROOT, file)));
}

/** Commands, options and scripts that the code does not know. */
function unknownCommands(text: string): string[] {
  return code(text).flatMap((line) =>
    line.split(/&&|\|\||[|;]/).flatMap((part) => {
      const words = part.replace(/ #.*/, '').trim().split(/\s+/).filter((word) => word !== 'npx');
      const [program, first = '', second = ''] = words;
      if (program === 'npm' && first === 'run') return second in scripts ? [] : [`npm run ${second}`];
      if (program === 'npm' && first === 'start') return unknownOptions('npm start', words.slice(words.indexOf('--') + 1));
      const isOurs = program === 'afterglow' || (program === 'node' && (first === 'src/main.ts' || first === 'bin/afterglow.js'));
      if (!isOurs) return [];
      const [command = '', ...rest] = program === 'afterglow' ? words.slice(1) : words.slice(2);
      if (/^[a-z]/.test(command) && !new RegExp(`(?:[cC]ommand|group)\\(\\s*'${command}'`).test(commands)) return [`afterglow ${command}`];
      return unknownOptions(`afterglow ${command}`, rest);
    }),
  );
}

function unknownOptions(command: string, words: readonly string[]): string[] {
  const options = words.filter((word) => word.startsWith('--')).map((word) => word.split('=')[0] ?? '');
  return options.filter((option) => !['--', '--help', '--version'].includes(option) && !new RegExp(`'(?:-\\w, )?${option}[ ']`).test(commands)).map((option) => `${command} ${option}`);
}

/** The lines of code blocks that are for a shell, and the pieces of code in the text. */
function code(text: string): string[] {
  const blocks = [...text.matchAll(/^```(?:sh|bash|shell|console)\n(.*?)^```/gms)].flatMap(([, block = '']) => block.replaceAll('\\\n', ' ').split('\n').map((line) => line.replace(/^\$ /, '')));
  const inline = [...text.replaceAll(/^```.*?^```/gms, '').matchAll(/`([^`\n]+)`/g)].map(([, piece = '']) => piece);
  return [...blocks, ...inline];
}

const withoutCode = (text: string): string => text.replaceAll(/^```.*?^```/gms, '').replaceAll(/`[^`\n]*`/g, '');
