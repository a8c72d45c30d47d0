import { plainText } from './plain-text.ts';

/** The end of what a stream gave: so many bytes, however much there was. */
export class LastBytes {
  readonly #most: number;
  /** The byte number n of the stream stands at n modulo its length. */
  #ring: Buffer = Buffer.alloc(0);
  #total = 0;

  /** @param most bytes that are kept */
  constructor(most: number) {
    this.#most = most;
  }

  add(chunk: Buffer): void {
    if (this.#ring.length === 0) this.#ring = Buffer.alloc(this.#most);
    const last = chunk.subarray(Math.max(0, chunk.length - this.#most));
    const at = (this.#total + chunk.length - last.length) % this.#most;
    const copied = last.copy(this.#ring, at);
    last.copy(this.#ring, 0, copied);
    this.#total += chunk.length;
  }

  /** What is kept; where something went before it, from the beginning of a line on where there is one. */
  get text(): string {
    const text = plainText(this.#last().toString('utf8'));
    if (this.#total <= this.#most) return text;
    const lineEnd = text.indexOf('\n');
    return `… (${this.#total} bytes in all)\n${lineEnd < 0 ? text : text.slice(lineEnd + 1)}`;
  }

  /** The last lines, as many as fit into so many characters; undefined where nothing was said. */
  lastWords(characters: number): string | undefined {
    const text = plainText(this.#last().toString('utf8')).trimEnd();
    if (text.length <= characters && this.#total <= this.#most) return text || undefined;
    const end = text.slice(-characters);
    const lineEnd = end.indexOf('\n');
    return `… ${lineEnd < 0 ? end : end.slice(lineEnd + 1)}`;
  }

  #last(): Buffer {
    if (this.#total <= this.#most) return this.#ring.subarray(0, this.#total);
    const at = this.#total % this.#most;
    return Buffer.concat([this.#ring.subarray(at), this.#ring.subarray(0, at)]);
  }
}
