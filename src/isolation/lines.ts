import type { Readable } from 'node:stream';

/** A longer line is given in pieces, characters. */
const LONGEST = 4000;

/** Gives what comes out of a stream line by line, without blank ones. */
export function onLines(stream: Readable, listener: (line: string) => void): void {
  let begun = '';
  const give = (line: string): void => {
    if (line.trim() !== '') listener(line);
  };
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (begun + text).split(/\r?\n/);
    begun = lines.pop()!;
    for (const line of lines) give(line);
    for (; begun.length > LONGEST; begun = begun.slice(LONGEST)) give(begun.slice(0, LONGEST));
  });
  stream.on('end', () => give(begun));
  stream.on('error', () => {});
}

/** The last lines that were said, as many as fit into so many characters. */
export class LastWords {
  readonly #characters: number;
  #text = '';

  constructor(characters: number) {
    this.#characters = characters;
  }

  add(line: string): void {
    this.#text = `${this.#text}${line}\n`.slice(-this.#characters);
  }

  clear(): void {
    this.#text = '';
  }

  get text(): string | undefined {
    return this.#text.trim() || undefined;
  }
}
