import { styleText } from 'node:util';
import { fitted, type Style, type TreeLine } from './tree.ts';

/** A terminal, as far as it is needed here. */
export interface Terminal {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

const [HIDE_CURSOR, SHOW_CURSOR, CLEAR_LINE, CLEAR_BELOW] = ['\x1b[?25l', '\x1b[?25h', '\x1b[2K', '\x1b[0J'];

/** Draws lines on a terminal, each time in the place of those before; nothing is ever wider or higher than the terminal. */
export class Screen {
  readonly #terminal: Terminal;
  readonly #hasColour: boolean;
  /** How wide the lines are that stand there. */
  #drawn: number[] = [];

  constructor(terminal: Terminal, hasColour: boolean) {
    this.#terminal = terminal;
    this.#hasColour = hasColour;
  }

  draw(lines: readonly TreeLine[]): void {
    const { columns = 80, rows = 24 } = this.#terminal;
    // The last column is left free: a terminal that wraps there would be a line ahead of us.
    const cut = fitted(lines, Math.max(2, rows - 1)).map((line) => cutTo(line, Math.max(1, columns - 1)));
    this.#terminal.write(`${HIDE_CURSOR}${this.#back()}${cut.map((line) => `${CLEAR_LINE}${this.#styled(line)}\n`).join('')}${CLEAR_BELOW}`);
    this.#drawn = cut.map((line) => widthOf(line.pieces.map(({ text }) => text).join('')));
  }

  /** Writes text above the lines, to stay there. */
  above(text: string): void {
    this.#terminal.write(`${this.#back()}${CLEAR_BELOW}${text.endsWith('\n') ? text : `${text}\n`}`);
    this.#drawn = [];
  }

  /** Leaves what stands there. */
  end(): void {
    this.#terminal.write(SHOW_CURSOR);
    this.#drawn = [];
  }

  // Where the terminal has become narrower meanwhile, it has wrapped what stands there.
  #back(): string {
    const { columns = 80 } = this.#terminal;
    const rows = this.#drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    return rows === 0 ? '\r' : `\r\x1b[${rows}A`;
  }

  #styled({ pieces }: TreeLine): string {
    return pieces.map(({ text, style }) => (this.#hasColour && style !== 'plain' && text !== '' ? styleText(STYLES[style], text, { validateStream: false }) : text)).join('');
  }
}

const STYLES: Readonly<Record<Exclude<Style, 'plain'>, Parameters<typeof styleText>[0]>> = { bold: 'bold', dim: 'dim', red: 'red', green: 'green', yellow: 'yellow', cyan: 'cyan' };

/** The line, cut where it is wider than that; the last column says so. */
function cutTo(line: TreeLine, columns: number): TreeLine {
  if (widthOf(line.pieces.map(({ text }) => text).join('')) <= columns) return line;
  let left = columns - 1;
  const pieces: { text: string; style: Style }[] = [];
  for (const { text, style } of line.pieces) {
    let taken = '';
    for (const character of text) {
      const width = widthOf(character);
      if (width > left) {
        left = 0;
        break;
      }
      taken += character;
      left -= width;
    }
    pieces.push({ text: taken, style });
    if (left === 0) break;
  }
  return { ...line, pieces: [...pieces, { text: '…', style: 'dim' }] };
}

// Two columns wide: the scripts of East Asia, their full-width forms, and pictures. Source: Unicode Standard Annex 11.
const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6\p{Emoji_Presentation}]/u;

/** Columns that a text takes. */
function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += /\p{M}/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}
