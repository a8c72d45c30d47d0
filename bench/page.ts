import type { Measured } from './results.ts';
import { reaches, type Goal, type Section } from './section.ts';
import { markdown, type Cell, type Table } from './table.ts';

/** Everything that was measured, as the tables go to standard output. */
export function printed(machine: Table, sections: readonly Section[]): string {
  return [machine, ...sections.flatMap(({ tables }) => tables), ...ratioTables(sections)].map(markdown).join('\n\n');
}

/** docs/benchmarks.md. */
export function page(results: readonly Measured[]): string {
  const sections = results.map(({ section }) => section);
  return `${[
    '# Benchmarks',
    'This page is written by `npm run bench`; edit the benchmarks in `bench/`, not the page.',
    '**Trust the ratios, not the figures.** Both halves of a ratio were measured side by side in the same run; the figures belong to the machine below, ' +
      'on the day that each part names, with whatever else it was doing.',
    ...ratioTables(sections).map(markdown),
    ...losses(sections),
    ...(results.length === 0 ? [] : [markdown(common(results))]),
    ...results.flatMap(({ machine, section: { title, method, tables, limits } }) => [
      `## ${title}`,
      `Measured on ${valueOf(machine, DATE)}, with a load of ${valueOf(machine, LOAD)} before the start${differing(machine, results)}.`,
      ...method,
      ...tables.map(markdown),
      ['What the figures do not show, and where we lose:', '', ...limits.map((limit) => `- ${limit}`)].join('\n'),
    ]),
    '## Running them',
    'Run `npm run bench`; it needs some 20 GB of disk for the largest registers (`TMPDIR` says where), two cores that have nothing else to do for an hour or two, and a `redis-server` for BullMQ, which is left out without one. `npm run bench -- --help` lists the options: ' +
      '`npm run bench -- pipeline --write` runs one part and writes it into this page, `--quick` runs everything small, `--transients` and `--objects` give other sizes, `--url` measures a PostgreSQL of yours.',
  ].join('\n\n')}\n`;
}

const [DATE, LOAD] = ['date', 'load before the start'];

const valueOf = (machine: Table, what: string): string => String(machine.rows.find(([name]) => name === what)?.[1] ?? 'not known');

/** What the newest part was measured on, without what is every part's own. */
function common(results: readonly Measured[]): Table {
  const { machine } = results.toSorted((a, b) => valueOf(b.machine, DATE).localeCompare(valueOf(a.machine, DATE)))[0]!;
  return { ...machine, rows: machine.rows.filter(([what]) => what !== DATE && what !== LOAD) };
}

/** What of a part's machine was otherwise than the page says above. */
function differing(machine: Table, results: readonly Measured[]): string {
  const other = common(results).rows.filter(([what, value]) => valueOf(machine, String(what)) !== String(value));
  return other.map(([what]) => `; ${String(what)} ${valueOf(machine, String(what))}`).join('');
}

/** What sections say in bold of what we lose or miss, before all the rest. */
function losses(sections: readonly Section[]): string[] {
  const bold = sections.flatMap(({ title, limits }) => limits.filter((limit) => limit.startsWith('**We')).map((limit) => `- ${title}: ${limit}`));
  return bold.length === 0 ? [] : [`**Where we lose, or miss what we want**\n\n${bold.join('\n')}`];
}

function ratioTables(sections: readonly Section[]): Table[] {
  const ratios = sections.flatMap((section) => section.ratios.map(({ what, ratio, goal }) => row(what, ratio, goal)));
  const figures = sections.flatMap((section) => (section.figures ?? []).map(({ what, figure, goal }) => row(what, figure, goal)));
  return [
    { title: 'Ratios', head: ['what', 'ratio', 'goal', 'reached'], rows: ratios },
    { title: 'Figures with a goal, on this machine', head: ['what', 'figure', 'goal', 'reached'], rows: figures },
  ].filter(({ rows }) => rows.length > 0);
}

function row(what: string, figure: number, goal: Goal | undefined): Cell[] {
  if (goal === undefined) return [what, figure, '', ''];
  return [what, figure, 'atLeast' in goal ? `at least ${goal.atLeast}` : `at most ${goal.atMost}`, reaches(figure, goal) ? 'yes' : '**no**'];
}
