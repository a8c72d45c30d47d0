/** A terminal that understands what we write: text that wraps, line ends, the cursor going up, and parts being cleared. */
export class Emulator {
  columns: number;
  readonly rows: number;
  /** Everything that was written, scrolled away or not. */
  #lines: string[] = [''];
  #row = 0;
  #column = 0;
  /** How often something was written above the part of the screen that can be reached. */
  outOfReach = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  /** What stands there, without empty lines at the end. */
  get text(): string {
    return this.#lines.map((line) => line.trimEnd()).join('\n').trimEnd();
  }

  write(text: string): void {
    // oxlint-disable-next-line no-control-regex
    for (const [, code, number = '', letter, character] of text.matchAll(/(\x1b\[\??(\d*)([A-Za-z]))|([^\x1b])/gu)) {
      if (code !== undefined) this.#control(letter!, Number(number || 1), number);
      else this.#put(character!);
    }
  }

  #control(letter: string, number: number, given: string): void {
    if (letter === 'A') {
      if (this.#row - number < Math.max(0, this.#lines.length - this.rows)) this.outOfReach += 1;
      this.#row = Math.max(0, this.#row - number);
    } else if (letter === 'K' && given === '2') this.#lines[this.#row] = '';
    else if (letter === 'J') {
      this.#lines[this.#row] = this.#lines[this.#row]!.slice(0, this.#column);
      this.#lines.length = this.#row + 1;
    } else if (!['m', 'h', 'l'].includes(letter)) throw new TypeError(`The emulator does not know the code ${letter}.`);
  }

  #put(character: string): void {
    if (character === '\r') this.#column = 0;
    else if (character === '\n') this.#down();
    else {
      if (this.#column === this.columns) this.#down();
      const line = this.#lines[this.#row]!.padEnd(this.#column);
      this.#lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1);
      this.#column += 1;
    }
  }

  #down(): void {
    this.#row += 1;
    this.#column = 0;
    if (this.#row === this.#lines.length) this.#lines.push('');
  }
}
