import { ArchiveError } from '../errors.ts';

/**
 * Just enough of the tar format (POSIX.1-1988, "ustar") for archives of ours: plain files with short names. Whatever else an archive has in it,
 * links and folders and devices among them, is refused. `tar tzf` lists an archive, and other tools unpack it.
 */

const BLOCK = 512;
/** What eleven octal digits hold. */
const MOST_BYTES = 8 ** 11 - 1;
/** At most so many bytes of a name. */
export const LONGEST_NAME = 100;

/** A file of an archive: the bytes must be read before the next one is asked for. */
export interface TarEntry {
  name: string;
  bytes: number;
  content: AsyncIterable<Buffer>;
}

/** The block before the content of a file. */
export function tarHeader(name: string, bytes: number, modified: Date): Buffer {
  if (Buffer.byteLength(name) > LONGEST_NAME || bytes > MOST_BYTES) throw new ArchiveError(`${name} with ${bytes} bytes is too big for an archive, or its name too long.`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number) => header.write(value.toString(8).padStart(digits, '0'), at);
  header.write(name, 0);
  octal(0o644, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(bytes, 124, 11);
  octal(Math.max(0, Math.floor(modified.getTime() / 1000)), 136, 11);
  header.write('        0', 148);
  header.write('ustar\u000000', 257);
  octal(checksum(header), 148, 6);
  header.write('\u0000 ', 154);
  return header;
}

/** What comes after the content of a file. */
export const tarPadding = (bytes: number): Buffer => Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK);

/** What comes at the end. */
export const TAR_END = Buffer.alloc(2 * BLOCK);

/**
 * Reads an archive file by file. Nothing is kept of more than one chunk.
 *
 * @throws {ArchiveError} it is cut off, damaged, or has something in it that is no plain file
 */
export async function* readTar(chunks: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const source = new Source(chunks);
  for (;;) {
    const header = await source.exactly(BLOCK);
    if (header.every((byte) => byte === 0)) return;
    const { name, bytes } = readHeader(header);
    let read = false;
    const content = async function* (): AsyncGenerator<Buffer> {
      read = true;
      for (let left = bytes; left > 0; ) {
        const chunk = await source.some(left);
        left -= chunk.length;
        yield chunk;
      }
      await source.exactly(tarPadding(bytes).length);
    };
    yield { name, bytes, content: content() };
    if (!read) throw new TypeError('The content of an archived file was not read.');
  }
}

function readHeader(header: Buffer): { name: string; bytes: number } {
  const text = (at: number, length: number) => header.toString('utf8', at, at + length).replace(/\0.*$/s, '');
  const number = (at: number, length: number): number => {
    const digits = text(at, length).trim();
    if (!/^[0-7]{1,11}$/.test(digits)) throw new ArchiveError('The archive is damaged, or is no tar archive: where a number should be, there is none.');
    return Number.parseInt(digits, 8);
  };
  if (number(148, 8) !== checksum(header)) throw new ArchiveError('The archive is damaged, or is no tar archive: a checksum is wrong.');
  const name = text(0, LONGEST_NAME);
  const type = text(156, 1) || '0';
  if (type !== '0') throw new ArchiveError(`The archive has something in it that is no plain file ("${name}", of type "${type}": a link, a folder or a device). Archives of ours have none; it is refused.`);
  if (text(345, 155) !== '') throw new ArchiveError(`The name of a file in the archive is longer than ours are ("${text(345, 155)}/${name}").`);
  return { name, bytes: number(124, 12) };
}

/** The sum of all bytes of a header, with blanks in the place of the sum itself. */
function checksum(header: Buffer): number {
  return header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 32 : byte), 0);
}

class Source {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async some(most: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const next: IteratorResult<Buffer, unknown> = await this.#chunks.next();
      if (next.done === true) throw new ArchiveError('The archive ends too early: it is cut off.');
      this.#rest = next.value;
    }
    const chunk = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(chunk.length);
    return chunk;
  }

  async exactly(bytes: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = bytes; left > 0; ) {
      const part = await this.some(left);
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }
}
