import { plainText } from './plain-text.ts';

/** Lines of noise that are told at once, and how many more a second after that. */
const AT_ONCE = 100;
const A_SECOND = 10;
/** More than so many lines, or characters in them, are told of no script. */
const MOST_LINES = 500;
const MOST_CHARACTERS = 100_000;
/** The longest line that is told, bytes. */
const LONGEST = 2000;

/** Makes lines of what a script prints beside its result, at a rate that no log drowns in. What is left out is counted. */
export class NoiseLines {
  readonly #tell: (line: string) => void;
  #begun: Buffer = Buffer.alloc(0);
  /** The rest of a line whose beginning was told already. */
  #skipping = false;
  #tokens = AT_ONCE;
  #refilledMs = performance.now();
  #lines = 0;
  #characters = 0;
  #leftBytes = 0;

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  push(bytes: Buffer): void {
    let at = 0;
    // Lines are not looked for while none may be told: noise by the gigabyte passes at the speed of a copy.
    while (at < bytes.length && this.#mayTell()) {
      const end = bytes.indexOf(10, at);
      const piece = bytes.subarray(at, end < 0 ? bytes.length : end);
      at = end < 0 ? bytes.length : end + 1;
      if (!this.#skipping) this.#begun = this.#begun.length === 0 ? Buffer.from(piece.subarray(0, LONGEST)) : Buffer.concat([this.#begun, piece.subarray(0, LONGEST)]);
      if (end >= 0 || this.#begun.length >= LONGEST) this.#give();
      this.#skipping = end < 0 && (this.#skipping || this.#begun.length >= LONGEST || this.#begun.length === 0);
    }
    if (at < bytes.length) {
      this.#leftBytes += bytes.length - at;
      this.#begun = Buffer.alloc(0);
      this.#skipping = bytes.at(-1) !== 10;
    }
  }

  /** Nothing more comes. */
  end(): void {
    this.#give();
    if (this.#leftBytes > 0) this.#tell(`… ${this.#leftBytes} bytes of its output were left out here`);
  }

  #give(): void {
    const line = plainText(this.#begun.toString('utf8', 0, LONGEST)).trimEnd();
    this.#begun = Buffer.alloc(0);
    if (line === '') return;
    this.#tokens -= 1;
    this.#lines += 1;
    this.#characters += line.length;
    this.#tell(line);
  }

  #mayTell(): boolean {
    if (this.#lines >= MOST_LINES || this.#characters >= MOST_CHARACTERS) return false;
    if (this.#tokens >= 1) return true;
    const now = performance.now();
    this.#tokens = Math.min(AT_ONCE, this.#tokens + ((now - this.#refilledMs) / 1000) * A_SECOND);
    this.#refilledMs = now;
    return this.#tokens >= 1;
  }
}
