/** The beginning and the end of what a stream gave: at most so many bytes of each are kept. */
export class HeadAndTail {
  readonly #most: number;
  #head = Buffer.alloc(0);
  #tail = Buffer.alloc(0);
  #total = 0;

  /** @param most bytes of each */
  constructor(most: number) {
    this.#most = most;
  }

  add(chunk: Buffer): void {
    this.#total += chunk.length;
    const room = this.#most - this.#head.length;
    if (room > 0) this.#head = Buffer.concat([this.#head, chunk.subarray(0, room)]);
    const rest = chunk.subarray(Math.max(0, room));
    if (rest.length > 0) this.#tail = Buffer.from(Buffer.concat([this.#tail, rest]).subarray(-this.#most));
  }

  /** As text; where something is left out, a line says how much. */
  get text(): string {
    const left = this.#total - this.#head.length - this.#tail.length;
    if (left === 0) return Buffer.concat([this.#head, this.#tail]).toString('utf8');
    return `${this.#head.toString('utf8')}\n… ${left} bytes are left out …\n${this.#tail.toString('utf8')}`;
  }
}
