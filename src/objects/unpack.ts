import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { createGunzip } from 'node:zlib';
import { ArchiveError } from '../errors.ts';
import { placeOf } from './files.ts';
import { lineSchema, MANIFEST, manifestSchema, type Line, type Manifest, type ManifestObject } from './manifest.ts';
import { readTar, type TarEntry } from './tar.ts';

/** What is read of an archive at most, bytes, unpacked. */
export interface UnpackLimits {
  /** All of it together. */
  total: number;
  /** The rows of one object, which are held in memory. */
  rows: number;
}

const MOST_MANIFEST = 16 * 2 ** 20;
export const DEFAULT_LIMITS: UnpackLimits = { total: 4 * 2 ** 30, rows: 256 * 2 ** 20 };

/** An archive that was read and found to be whole. */
export interface Unpacked {
  manifest: Manifest;
  objects: readonly UnpackedObject[];
}

/** One object of it. */
export interface UnpackedObject extends ManifestObject {
  /** With the texts that they were read from. */
  lines: readonly { line: Line; text: string }[];
  /** A folder with its files. */
  folder: string;
}

/**
 * Reads an archive into a folder and checks everything that can be checked without a database: that there is nothing in it but what it says,
 * every size and every SHA-256, every path, every row. It is never unpacked further than the limits.
 *
 * @param staging a folder that is there and empty
 * @throws {ArchiveError} it is none of ours, damaged, too big, of another version, or meant to do harm
 */
export async function unpack(file: string, staging: string, limits: UnpackLimits = DEFAULT_LIMITS): Promise<Unpacked> {
  const entries = readTar(bounded(file, limits.total));
  const first = await entries.next();
  const manifest = await readManifest(first.done === true ? undefined : first.value);
  const expected = new Map<string, { bytes: number; sha256: string; place: string }>();
  let total = 0;
  for (const [at, { rows, files, name }] of manifest.objects.entries()) {
    const folder = path.join(staging, String(at + 1));
    if (rows.bytes > limits.rows) throw new ArchiveError(`The rows of ${name} have ${rows.bytes} bytes; ${limits.rows} are the most.`);
    const all = [{ ...rows, place: path.join(folder, 'rows') }, ...files.map((one) => ({ ...one, place: placeOf(path.join(folder, 'files'), one.path) }))];
    if (new Set(all.map(({ place }) => place)).size < all.length) throw new ArchiveError(`The archive has two files of ${name} with one path.`);
    for (const { entry, place, bytes, sha256 } of all) {
      if (expected.has(entry)) throw new ArchiveError(`The archive names its file "${entry}" twice.`);
      expected.set(entry, { bytes, sha256, place });
      total += bytes;
    }
  }
  if (total > limits.total) throw new ArchiveError(`The archive would unpack to ${total} bytes; ${limits.total} are the most (--most-gib says otherwise).`);
  for await (const entry of entries) {
    const wanted = expected.get(entry.name);
    if (wanted === undefined) throw new ArchiveError(`The archive has a file "${entry.name}" that its list does not name, or names once only.`);
    expected.delete(entry.name);
    await save(entry, wanted);
  }
  const [missing] = expected.keys();
  if (missing !== undefined) throw new ArchiveError(`The archive lacks the file "${missing}", which its list names.`);
  return { manifest, objects: await Promise.all(manifest.objects.map((object, at) => unpackedObject(object, path.join(staging, String(at + 1))))) };
}

/** The unpacked bytes of a file, as long as there are not too many. */
async function* bounded(file: string, most: number): AsyncGenerator<Buffer> {
  const source = createReadStream(file);
  const gunzip = source.on('error', (error) => gunzip.destroy(error)).pipe(createGunzip());
  let bytes = 0;
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      // Headers and padding come on top of the content.
      if (bytes > most + MOST_MANIFEST + most / 4) throw new ArchiveError(`The archive unpacks to more than ${most} bytes, which are the most (--most-gib says otherwise).`);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof ArchiveError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ArchiveError(code === 'ENOENT' ? `There is no file ${file}.` : `${file} cannot be read as an archive (gzip): ${message}.`, { cause: error });
  } finally {
    source.destroy();
  }
}

async function readManifest(entry: TarEntry | undefined): Promise<Manifest> {
  if (entry?.name !== MANIFEST) throw new ArchiveError(`This is no archive of Afterglow: it does not begin with ${MANIFEST}.`);
  if (entry.bytes > MOST_MANIFEST) throw new ArchiveError(`The list of the archive has ${entry.bytes} bytes; ${MOST_MANIFEST} are the most.`);
  const chunks: Buffer[] = [];
  for await (const chunk of entry.content) chunks.push(chunk);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    throw new ArchiveError(`The list of the archive is no JSON: ${(error as Error).message}.`, { cause: error });
  }
  const { format, afterglow } = (json ?? {}) as { format?: unknown; afterglow?: unknown };
  if (typeof format === 'number' && format !== 1) throw new ArchiveError(`The archive is of format ${format}, made by Afterglow ${String(afterglow)}; this one reads format 1.`);
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ArchiveError(`The list of the archive is not as it should be: ${issue!.path.join('.') || 'all of it'}: ${issue!.message}.`);
}

async function save({ name, bytes, content }: TarEntry, wanted: { bytes: number; sha256: string; place: string }): Promise<void> {
  if (bytes !== wanted.bytes) throw new ArchiveError(`"${name}" has ${bytes} bytes; the archive's list says ${wanted.bytes}.`);
  await mkdir(path.dirname(wanted.place), { recursive: true });
  const hash = createHash('sha256');
  const target = await open(wanted.place, 'wx', 0o644).catch((error: unknown) => {
    throw new ArchiveError(`"${name}" cannot be unpacked: ${(error as Error).message}.`, { cause: error });
  });
  try {
    for await (const chunk of content) {
      hash.update(chunk);
      await target.write(chunk);
    }
  } finally {
    await target.close();
  }
  if (hash.digest('hex') !== wanted.sha256) throw new ArchiveError(`"${name}" is damaged: its SHA-256 is another than the archive's list says.`);
}

async function unpackedObject(object: ManifestObject, folder: string): Promise<UnpackedObject> {
  const lines: { line: Line; text: string }[] = [];
  const file = await open(path.join(folder, 'rows'));
  for await (const text of file.readLines()) {
    let line;
    try {
      line = lineSchema.safeParse(JSON.parse(text));
    } catch (error) {
      throw new ArchiveError(`Row ${lines.length + 1} of ${object.name} is no JSON: ${(error as Error).message}.`, { cause: error });
    }
    if (!line.success) throw new ArchiveError(`Row ${lines.length + 1} of ${object.name} is not as it should be: ${line.error.issues[0]!.path.join('.')}: ${line.error.issues[0]!.message}.`);
    lines.push({ line: line.data, text });
  }
  const subjects = lines.filter(({ line }) => line.table === 'subject');
  const { kind, name } = (subjects[0]?.line.row ?? {}) as { kind?: unknown; name?: unknown };
  if (subjects.length !== 1 || kind !== object.kind || name !== object.name) throw new ArchiveError(`The rows of ${object.name} are not those of one object of that name and kind.`);
  return { ...object, lines, folder: path.join(folder, 'files') };
}
