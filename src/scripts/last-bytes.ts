/** The end of what a stream gave: at most so many bytes are kept, twice as many held. */
export class LastBytes {
  readonly #most: number;
  #chunks: Buffer[] = [];
  #length = 0;
  #total = 0;

  /** @param most bytes that are kept */
  constructor(most: number) {
    this.#most = most;
  }

  add(chunk: Buffer): void {
    this.#total += chunk.length;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length < 2 * this.#most && this.#chunks.length < 1000) return;
    // A copy, so that what is thrown away is free.
    const kept = Buffer.from(this.#last());
    this.#chunks = [kept];
    this.#length = kept.length;
  }

  /** What is kept; where something went before it, from the beginning of a line on where there is one. */
  get text(): string {
    const last = this.#last();
    const text = last.toString('utf8');
    if (this.#total <= last.length) return text;
    const lineEnd = text.indexOf('\n');
    return `… (${this.#total} bytes in all)\n${lineEnd < 0 ? text : text.slice(lineEnd + 1)}`;
  }

  /** The last lines, as many as fit into so many characters; undefined where nothing was said. */
  lastWords(characters: number): string | undefined {
    const text = this.#last().toString('utf8').trimEnd();
    if (text.length <= characters) return text || undefined;
    const end = text.slice(-characters);
    const lineEnd = end.indexOf('\n');
    return `… ${lineEnd < 0 ? end : end.slice(lineEnd + 1)}`;
  }

  #last(): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    return all.subarray(Math.max(0, all.length - this.#most));
  }
}
