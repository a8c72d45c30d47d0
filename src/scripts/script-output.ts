/** The lines around a result, and the beginning of a line that says how far a script is. */
export const RESULT_START = '== RESULT START ==';
export const RESULT_END = '== RESULT END ==';

/** What a script said of its result: the last block of lines between the markers. */
export type ResultBlock =
  | { kind: 'none' }
  /** The last marker of a beginning has no end. */
  | { kind: 'unfinished' }
  | { kind: 'too large'; bytes: number }
  | { kind: 'text'; text: string };

export interface ScriptOutputOptions {
  /** The most that a result may have, bytes. */
  resultBytes: number;
  /** Hears how far the script is, 0…1. */
  onProgress: (fraction: number) => void;
  /** Gets what is neither a marker nor a result, in order and in pieces of any size. */
  onNoise: (bytes: Buffer) => void;
}

// A marker ends its line. In front of it may stand anything: what a program printed without ending the line.
const MARKERS = /== (?:RESULT (START|END)|PROGRESS (\d{0,9}(?:\.\d{0,20})?)( ?%)?) ==[ \t\r]{0,100}(?:\n|$)/g;
/** Longer than any marker with what may follow it on its line. */
const HELD_BACK = 256;
const LINE_END = Buffer.from('\n');

/**
 * Reads what a script writes to its standard output, in pieces as they come, and keeps nothing but the last result: however
 * much else there is takes no memory.
 */
export class ScriptOutput {
  readonly #options: ScriptOutputOptions;
  /** The end of what came, which may be the beginning of a marker. */
  #held: Buffer = Buffer.alloc(0);
  #state: 'outside' | 'inside' = 'outside';
  #block: Buffer[] = [];
  #blockBytes = 0;
  #result: ResultBlock = { kind: 'none' };

  constructor(options: ScriptOutputOptions) {
    this.#options = options;
  }

  push(chunk: Buffer): void {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    // After a line break nothing can begin; and a marker that began further back would have ended.
    const sure = Math.max(bytes.lastIndexOf(10) + 1, bytes.length - HELD_BACK);
    this.#read(bytes.subarray(0, sure));
    this.#held = Buffer.from(bytes.subarray(sure));
  }

  /** Nothing more comes. @returns what the script said of its result */
  end(): ResultBlock {
    this.#read(this.#held, true);
    this.#held = Buffer.alloc(0);
    return this.#state === 'inside' ? { kind: 'unfinished' } : this.#result;
  }

  #read(bytes: Buffer, isEnd = false): void {
    // One character a byte, so that places in the text are places in the bytes.
    const text = bytes.toString('latin1');
    let at = 0;
    for (const found of text.matchAll(MARKERS)) {
      const [marker, border, figure, percent] = found;
      // The end of a piece is not the end of a line.
      if (!isEnd && !marker.endsWith('\n')) continue;
      const fraction = figure === undefined ? undefined : Number(figure || NaN) / (percent === undefined ? 1 : 100);
      if (fraction !== undefined && !(fraction <= 1)) continue;
      this.#plain(bytes.subarray(at, found.index));
      // What stood in front of a marker was a line of its own.
      if (this.#state === 'outside') this.#options.onNoise(LINE_END);
      at = found.index + marker.length;
      if (fraction !== undefined) this.#options.onProgress(fraction);
      else if (border === 'START') this.#begin();
      else this.#finish();
    }
    this.#plain(bytes.subarray(at));
  }

  #plain(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.#state === 'outside') return this.#options.onNoise(bytes);
    this.#blockBytes += bytes.length;
    if (this.#blockBytes > this.#options.resultBytes) this.#block = [];
    else this.#block.push(Buffer.from(bytes));
  }

  #begin(): void {
    this.#state = 'inside';
    this.#block = [];
    this.#blockBytes = 0;
  }

  #finish(): void {
    if (this.#state === 'outside') return;
    const { resultBytes } = this.#options;
    this.#result = this.#blockBytes > resultBytes ? { kind: 'too large', bytes: this.#blockBytes } : { kind: 'text', text: Buffer.concat(this.#block).toString('utf8') };
    this.#state = 'outside';
    this.#block = [];
  }
}
