import type { Section } from './section.ts';
import { markdown, type Table } from './table.ts';

/** Everything that was measured, as the tables go to standard output. */
export function printed(machine: Table, sections: readonly Section[]): string {
  return [machine, ...sections.flatMap(({ tables }) => tables), ...ratioTables(sections)].map(markdown).join('\n\n');
}

/** docs/benchmarks.md. */
export function page(machine: Table, sections: readonly Section[]): string {
  return `${[
    '# Benchmarks',
    'This page is written by `npm run bench`; edit the benchmarks in `bench/`, not the page.',
    '**Trust the ratios, not the figures.** Both halves of a ratio were measured side by side in the same run; the figures belong to the machine below, ' +
      'on that day, with whatever else it was doing.',
    ...ratioTables(sections).map(markdown),
    markdown(machine),
    ...sections.flatMap(({ title, method, tables, limits }) => [
      `## ${title}`,
      ...method,
      ...tables.map(markdown),
      ['What the figures do not show, and where we lose:', '', ...limits.map((limit) => `- ${limit}`)].join('\n'),
    ]),
    '## Running them',
    'Run `npm run bench`; it needs some 10 GB of disk for the largest register (`TMPDIR` says where) and the better part of an hour. `npm run bench -- --help` lists the options: ' +
      '`--only` runs one part, `--quick` runs everything small, `--transients` gives other sizes, `--url` measures a PostgreSQL of yours.',
  ].join('\n\n')}\n`;
}

function ratioTables(sections: readonly Section[]): Table[] {
  const rows = sections.flatMap(({ ratios }) => ratios.map(({ what, ratio, goal }) => [what, ratio, goal ?? '']));
  return rows.length === 0 ? [] : [{ title: 'Ratios', head: ['what', 'ratio', 'goal'], rows }];
}
