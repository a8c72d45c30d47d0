/** What an attribute may be; undefined ones are left out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** What is drawn in black, in the quiet colour of axes and remarks, and in the faint one of grids. */
export const INK = { text: '#1f2933', quiet: '#5b6774', axis: '#9aa5b1', grid: '#e4e7eb', paper: '#ffffff' } as const;

/**
 * An SVG element with its children inside, as text. Numbers are written with at most two decimals, attribute values are escaped;
 * children are taken as they are, so text goes through {@link escapeXml} first.
 */
export function element(name: string, attributes: Attributes = {}, ...children: readonly string[]): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? decimal(value) : escapeXml(String(value))}"`)
    .join('');
  return children.length === 0 ? `<${name}${written}/>` : `<${name}${written}>${children.join('')}</${name}>`;
}

/** A text element; the content is escaped. */
export function label(content: string, x: number, y: number, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, escapeXml(content));
}

/** A number with at most two decimals and no more than it needs, e.g. `12.5`; the same on every machine. */
export function decimal(value: number): string {
  const text = value.toFixed(2).replace(/\.?0+$/, '');
  return text === '-0' ? '0' : text;
}

/** A figure for people, with a real minus sign and, if wanted, a plus. */
export function figure(value: number, decimals: number, sign: 'minus' | 'both' = 'minus'): string {
  const text = Math.abs(value).toFixed(decimals);
  if (Number(text) === 0) return text;
  if (value < 0) return `−${text}`;
  return sign === 'both' ? `+${text}` : text;
}

/** Text that may stand anywhere in XML: the five special characters as entities, and what XML cannot hold at all as U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .toWellFormed()
    // oxlint-disable-next-line no-control-regex -- these are the very characters that have to go
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** What a whole picture is made of. */
export interface Picture {
  /** Names the classes and ids, so that several pictures can stand in one page. */
  id: string;
  /** In user units; the picture scales to any size. */
  width: number;
  height: number;
  /** For screen readers and as a tooltip. */
  title: string;
  description: string;
}

/**
 * A self-contained SVG document on white: no scripts, no fonts or files from elsewhere. Texts of class `title`, `small` and without a
 * class have three sizes, and larger ones where the picture is shown narrower than 600 pixels; `wide` is left out there.
 */
export function picture({ id, width, height, title, description }: Picture, ...children: readonly string[]): string {
  const style = [
    `.${id} text{font:15px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}`,
    `.${id} .title{font-size:21px;font-weight:600}`,
    `.${id} .small{font-size:13px}`,
    `.${id} .halo{paint-order:stroke;stroke:${INK.paper};stroke-width:4px;stroke-linejoin:round}`,
    `@media (max-width:600px){.${id} text{font-size:24px}.${id} .title{font-size:32px}.${id} .small{font-size:21px}.${id} .wide{display:none}}`,
  ].join('\n');
  const svg = element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      class: id,
      viewBox: `0 0 ${decimal(width)} ${decimal(height)}`,
      width,
      height,
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-description`,
      style: 'max-width:100%;height:auto',
      fill: INK.text,
    },
    '\n',
    [
      element('title', { id: `${id}-title` }, escapeXml(title)),
      element('desc', { id: `${id}-description` }, escapeXml(description)),
      element('style', {}, style),
      element('rect', { width, height, fill: INK.paper }),
      ...children,
    ].join('\n'),
    '\n',
  );
  return `${svg}\n`;
}

/** Sorts by name, by code units: the same on every machine and for every order of the input. */
export function byName<T extends { name: string }>(items: Iterable<T>): T[] {
  return [...items].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
