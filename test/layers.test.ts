import { describe, expect, test } from 'vitest';
import { importsOf, sources, type Import } from './sources.ts';

/** Parts of the code that have one place in the order: folders, or files by their whole path. A file goes by the longest part that it lies in. */
interface Layer {
  name: string;
  parts: readonly string[];
  /** Names of other layers, all of them further up in the table; within itself a layer is free. */
  mayImport: readonly string[];
  because: string;
}

/** From the ground up. A layer names only layers above its own line, so that the arrows between them cannot run in a circle. */
const LAYERS: readonly Layer[] = [
  {
    name: 'ground',
    parts: ['src/compile-cache.ts', 'src/clock.ts', 'src/errors.ts', 'src/log.ts', 'src/nearest.ts', 'src/version.ts', 'src/runner/outcome.ts', 'src/daemon/process-identity.ts', 'src/engine/running.ts', 'src/engine/retry-deadlock.ts'],
    mayImport: [],
    because: 'everything else stands on it, so it knows nothing of the rest',
  },
  {
    name: 'config',
    parts: ['src/config.ts'],
    mayImport: ['ground'],
    because: 'settings are read and checked before anything is opened',
  },
  {
    name: 'status',
    parts: ['src/status'],
    mayImport: ['ground'],
    because: 'which moves are legal is decided purely, without files, clock or database',
  },
  {
    name: 'fixtures',
    parts: ['src/fixtures'],
    mayImport: ['ground', 'status'],
    because: 'it turns files into rows; what becomes of the rows is decided by others',
  },
  {
    name: 'runner',
    parts: ['src/runner'],
    mayImport: ['ground', 'status', 'fixtures'],
    because: 'a runner can be written, checked and called from a notebook where no database and no daemon is',
  },
  {
    name: 'processes',
    parts: ['src/isolation/mark.ts', 'src/isolation/process-group.ts', 'src/isolation/process-table.ts', 'src/isolation/sweep.ts'],
    mayImport: ['ground'],
    because: 'it knows processes of the machine, and not what they are for',
  },
  {
    name: 'scripts',
    parts: ['src/scripts'],
    mayImport: ['ground', 'status', 'runner', 'processes'],
    because: 'a script can be run from a test or a notebook, where no database and no daemon is',
  },
  {
    name: 'db',
    parts: ['src/db'],
    mayImport: ['ground', 'status', 'fixtures', 'runner'],
    because: 'it keeps what is so, and does not know who works on it or when',
  },
  {
    name: 'jobs',
    parts: ['src/jobs'],
    mayImport: ['ground', 'status', 'runner', 'db'],
    because: 'jobs are enqueued and waited for where no engine is: in a web application, or inside of a transaction',
  },
  {
    name: 'door',
    parts: ['src/index.ts'],
    mayImport: ['ground', 'fixtures', 'runner', 'scripts', 'db', 'jobs'],
    because: 'it is what authors of runners import, and they are no part of the daemon',
  },
  {
    name: 'schedule',
    parts: ['src/schedule'],
    mayImport: ['ground', 'runner', 'db'],
    because: 'it says when, and leaves what happens then to whoever asked',
  },
  {
    name: 'spool',
    parts: ['src/spool'],
    mayImport: ['ground'],
    because: 'it keeps files safe while there is no database, and does not know what becomes of them',
  },
  {
    name: 'engine',
    parts: ['src/engine'],
    mayImport: ['ground', 'status', 'runner', 'db', 'spool', 'jobs'],
    because: 'it claims, runs and advances when it is told to, and knows no schedule',
  },
  {
    name: 'objects',
    parts: ['src/objects'],
    mayImport: ['ground', 'status', 'fixtures', 'runner', 'db', 'engine'],
    because: 'it does to whole objects what a person asks for, and leaves running them to the engine',
  },
  {
    name: 'watch',
    parts: ['src/watch'],
    mayImport: ['ground', 'db', 'engine'],
    because: 'a thread of its own keeps leases alive while the main loop stands still, so it needs nothing of what runs there',
  },
  {
    name: 'isolation',
    parts: ['src/isolation'],
    mayImport: ['ground', 'runner', 'processes', 'db', 'engine'],
    because: 'it runs attempts in processes of their own, as the engine asks, and leaves what becomes of them to the engine',
  },
  {
    name: 'hooks',
    parts: ['src/hooks'],
    mayImport: ['ground', 'runner', 'db', 'engine'],
    because: 'it calls what authors want done around attempts, as the engine asks, and leaves what becomes of them to the engine',
  },
  {
    name: 'flows',
    parts: ['src/flows', 'src/notices'],
    mayImport: ['ground', 'config', 'status', 'runner', 'scripts', 'db', 'jobs'],
    because: 'what it does it does by jobs, which every daemon runs like those of authors',
  },
  {
    name: 'requests',
    parts: ['src/requests'],
    mayImport: ['ground', 'status', 'fixtures', 'runner', 'db', 'engine'],
    because: 'what people do with requests is the same from a page, a program and a command, so it knows none of them',
  },
  {
    name: 'bullmq',
    parts: ['src/bullmq'],
    mayImport: ['ground', 'db', 'engine'],
    because: 'it carries entries to where they are run, and leaves what a claim and an attempt are to the engine',
  },
  {
    name: 'daemon',
    parts: ['src/daemon'],
    mayImport: ['bullmq', 'hooks', 'ground', 'config', 'status', 'runner', 'db', 'schedule', 'spool', 'engine', 'watch', 'isolation', 'jobs'],
    because: 'it brings schedules and engine together; pages and commands use it, not the other way round',
  },
  {
    name: 'preparation',
    parts: ['src/prepare.ts', 'src/read-graph.ts'],
    mayImport: ['requests', 'flows', 'ground', 'config', 'status', 'fixtures', 'runner', 'db', 'engine'],
    because: 'it opens and checks what daemon and commands need, before either runs',
  },
  {
    name: 'runs',
    parts: ['src/runs'],
    mayImport: ['ground', 'config', 'status', 'fixtures', 'runner', 'processes', 'scripts', 'db', 'engine', 'daemon', 'preparation'],
    because: 'it puts a file of jobs into the register and takes it to its end; commands start it and show it',
  },
  {
    name: 'web',
    parts: ['src/web'],
    mayImport: ['jobs', 'requests', 'runs', 'bullmq', 'ground', 'config', 'status', 'runner', 'db', 'schedule', 'engine'],
    because: 'pages show what the database says, so that they are right for every daemon and not for theirs alone',
  },
  {
    name: 'cli',
    parts: ['src/cli'],
    mayImport: ['hooks', 'runs', 'requests', 'flows', 'jobs', 'bullmq', 'ground', 'config', 'status', 'fixtures', 'runner', 'db', 'schedule', 'engine', 'daemon', 'preparation', 'web', 'objects'],
    because: 'a command puts the others together',
  },
  {
    name: 'main',
    parts: ['src/main.ts'],
    mayImport: ['ground', 'cli'],
    because: 'it is started, and only hands over to the commands',
  },
  {
    name: 'bin',
    parts: ['bin'],
    mayImport: [],
    because: 'it runs in any Node and starts the right one, which alone can read TypeScript',
  },
  {
    name: 'runners',
    parts: ['runners'],
    mayImport: ['door'],
    because: 'the shipped pipeline gets nothing that the pipelines of users do not get',
  },
  {
    name: 'examples',
    parts: ['examples'],
    mayImport: ['door'],
    because: 'an example is what a user writes',
  },
  {
    name: 'bench',
    parts: ['bench'],
    mayImport: ['bullmq', 'ground', 'config', 'status', 'fixtures', 'runner', 'scripts', 'db', 'door', 'schedule', 'engine', 'daemon', 'preparation', 'jobs'],
    because: 'it measures the insides, and nothing depends on it',
  },
];

const files = sources('{src,runners,examples,bench,bin}/**/*.{ts,js}');
const imports = [...files].flatMap(([file, text]) => importsOf(file, text));

describe('the layers', () => {
  test('import only what the table allows', () => {
    expect(violations(imports)).toEqual([]);
    expect(files.size).toBeGreaterThan(100);
    expect(imports.length).toBeGreaterThan(250);
  });

  test('all have something in them, and every file is in one', () => {
    const homes = new Set([...files.keys()].map((file) => layerOf(file)?.name));
    expect(LAYERS.map(({ name }) => name).filter((name) => !homes.has(name))).toEqual([]);
    expect([...files.keys()].filter((file) => layerOf(file) === undefined)).toEqual([]);
  });

  test('allow only what stands above them in the table, so that no arrows run in a circle', () => {
    for (const [at, { name, mayImport }] of LAYERS.entries()) {
      const above = LAYERS.slice(0, at).map((layer) => layer.name);
      expect(mayImport.filter((other) => !above.includes(other)), name).toEqual([]);
    }
  });

  test('refuse an import that is not in the table, and say why', () => {
    const text = `import type { Clock } from '../clock.ts';\n\nimport {\n  Engine,\n} from '../engine/engine.ts';\n`;
    expect(violations(importsOf('src/status/made-up.ts', text))).toEqual([
      'src/status/made-up.ts:3 imports src/engine/engine.ts, but status may import only ground: which moves are legal is decided purely, without files, clock or database',
    ]);
  });

  test('refuse a file that no row speaks of', () => {
    expect(violations(importsOf('src/utils/made-up.ts', `import { nearest } from '../nearest.ts';`))).toEqual([
      'src/utils/made-up.ts is in no row of the table: say there what it may import, and why',
    ]);
  });
});

describe('files', () => {
  test('import no file that leads back to them, not for a type either', () => {
    expect(circles(imports)).toEqual([]);
  });

  test('that import each other in a circle are found', () => {
    const made = [
      ...importsOf('src/a.ts', `export * from './b.ts';`),
      ...importsOf('src/b.ts', `import type { C } from './c/c.ts';`),
      ...importsOf('src/c/c.ts', `import '../b.ts';\nimport { d } from '../d.ts';`),
    ];
    expect(circles(made)).toEqual(['src/b.ts → src/c/c.ts → src/b.ts']);
  });
});

describe('reading imports', () => {
  test('finds every way to write one', () => {
    const text = `
// import './comment.ts';
/* one
import { no } from './comment.ts';
*/
import './for-its-effect.ts';
import def, { type A } from './a.ts';
import * as all from "./b.ts";
import {
  one, // with a comment
  two,
} from './c.ts';
import type { T } from '../t.ts';
export { d } from './d.ts';
export * from './e.ts';
export type { F } from './f.ts';
import pg from 'pg';
const late = await import('./late.ts');
const sql = \`
select * from './no-statement.ts'\`;
export const text = "from './neither.ts'";
`;
    expect(importsOf('src/x/y.ts', text).map(({ line, to }) => `${line} ${to}`)).toEqual([
      '6 src/x/for-its-effect.ts', '7 src/x/a.ts', '8 src/x/b.ts', '9 src/x/c.ts', '13 src/t.ts', '14 src/x/d.ts', '15 src/x/e.ts', '16 src/x/f.ts', '18 src/x/late.ts',
    ]);
  });

  test('finds imports of files that are there, and nothing else', () => {
    const known = new Set([...files.keys(), 'package.json']);
    expect(imports.filter(({ to }) => !known.has(to))).toEqual([]);
  });
});

function violations(all: readonly Import[]): string[] {
  const found = all.flatMap(({ from, line, to }) => {
    const [importer, imported] = [layerOf(from), layerOf(to)];
    if (importer === undefined) return [`${from} is in no row of the table: say there what it may import, and why`];
    // Files that are read as data belong to nobody, and what is in no row is told by its own imports.
    if (imported === undefined || imported === importer || importer.mayImport.includes(imported.name)) return [];
    const allowed = importer.mayImport.join(', ') || 'nothing of ours';
    return [`${from}:${line} imports ${to}, but ${importer.name} may import only ${allowed}: ${importer.because}`];
  });
  return [...new Set(found)];
}

function layerOf(file: string): Layer | undefined {
  const covers = (part: string) => file === part || file.startsWith(`${part}/`);
  const length = (layer: Layer) => Math.max(0, ...layer.parts.filter(covers).map((part) => part.length));
  return LAYERS.filter((layer) => length(layer) > 0).toSorted((a, b) => length(b) - length(a))[0];
}

/** Each circle of imports once, beginning at the file that the walk met first. */
function circles(all: readonly Import[]): string[] {
  const targets = Map.groupBy(all, ({ from }) => from);
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) found.push([...way.slice(way.indexOf(file)), file].join(' → '));
    else if (!done.has(file)) {
      for (const { to } of targets.get(file) ?? []) walk(to, [...way, file]);
      done.add(file);
    }
  };
  for (const file of targets.keys()) walk(file, []);
  return found;
}
