import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, sources } from '../sources.ts';

// Dot files are not in `**`.
const files = sources('**/*.{ts,js,json,md,yaml,yml,css,html,svg,csv,sql}', '*', '.*', '.ci/*', '.github/**');
// Written so that the pattern itself is none.
const MACHINE_FOLDER = /(?<![\w.~-])[/](?:home[/](?!linuxbrew\b)|Users[/]|work[/]|workspace[/])\w/;
const npmRegistry = hostOf(process.env.npm_config_registry);

describe('the repository stands on its own', () => {
  test('no file names a folder of somebody\'s machine', () => {
    expect(linesWith(files, MACHINE_FOLDER)).toEqual([]);
    expect(files.size).toBeGreaterThan(150);
  });

  test('only tests look beside the repository, for what they can do without', () => {
    expect(linesWith(files, /\.\.[/]shared\b/).filter((line) => !line.startsWith('test/'))).toEqual([]);
  });

  test('no file names a package registry, so that any will do', () => {
    expect(linesWith(files, /\bregistry\.[a-z0-9-]+\.[a-z]+|"resolved": "[h]ttp/)).toEqual([]);
    if (npmRegistry !== undefined) expect([...files].filter(([, text]) => text.includes(npmRegistry)).map(([file]) => file)).toEqual([]);
  });

  test('every page that is referred to is there', () => {
    const named = [...files].flatMap(([file, text]) =>
      file.startsWith('test/docs/') ? [] : [...text.matchAll(/(?<![\w*/.:-])(?:\.{0,2}\/)?(?:[\w-]+\/)*[\w-]+\.md\b/g)].map(([page]) => ({ file, page })),
    );
    const gone = named.filter(({ file, page }) => ![path.dirname(file), '.', 'docs'].some((folder) => existsSync(path.join(ROOT, folder, page))));
    expect(gone.map(({ file, page }) => `${file}: ${page}`)).toEqual([]);
    expect(named.length).toBeGreaterThan(10);
  });
});

test('folders of a machine are told from those that every machine of a kind has', () => {
  const folder = (...names: string[]) => ['', ...names].join('/');
  const made = new Map([
    ['a.ts', `const a = "${folder('home', 'maria', 'afterglow')}";\n// in ${folder('Users', 'jo', 'x')}\nconst b = "/usr/lib/postgresql";\n`],
    ['b.md', `fine: https://example.org${folder('home', 'maria')} and homework/main and ${folder('home', 'linuxbrew', '.linuxbrew')}\n${folder('work', 'main')}\n`],
  ]);
  expect(linesWith(made, MACHINE_FOLDER)).toEqual(['a.ts:1', 'a.ts:2', 'b.md:2']);
});

function linesWith(texts: ReadonlyMap<string, string>, pattern: RegExp): string[] {
  return [...texts].flatMap(([file, text]) => text.split('\n').flatMap((line, at) => (pattern.test(line) ? [`${file}:${at + 1}`] : [])));
}

function hostOf(url: string | undefined): string | undefined {
  return url === undefined || !URL.canParse(url) ? undefined : new URL(url).host;
}
