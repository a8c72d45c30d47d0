/** A cell: text as it is, a number with three significant digits. */
export type Cell = string | number;

/** A table of results. */
export interface Table {
  title: string;
  head: readonly string[];
  rows: readonly (readonly Cell[])[];
}

/** The table in Markdown, with its title in bold; columns are padded so that it can be read on a terminal too. Numbers are to the right. */
export function markdown({ title, head, rows }: Table): string {
  const texts = [head, ...rows].map((row) => row.map(shown));
  const widths = head.map((_, column) => Math.max(3, ...texts.map((row) => (row[column] ?? '').length)));
  const right = head.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number' || row[column] === ''));
  const line = (row: readonly string[]) =>
    `| ${row.map((text, column) => (right[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (right[column] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`;
  return [`**${title}**`, '', line(texts[0]!), rule, ...texts.slice(1).map(line)].join('\n');
}

/** Three significant digits, thousands separated; whole numbers from 100 on. */
function shown(cell: Cell): string {
  if (typeof cell === 'string') return cell.replaceAll('|', '\\|');
  const digits = cell === 0 || Number.isInteger(cell) ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(cell))));
  return cell.toLocaleString('en-US', { minimumFractionDigits: Math.min(digits, 4), maximumFractionDigits: Math.min(digits, 4) });
}
