import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { IsolationLevel, type EntityManager } from '@mikro-orm/postgresql';
import { MIGRATION_TABLE } from '../db/check-schema.ts';
import { ArchiveError } from '../errors.ts';
import { objectFolder } from '../runner/object-folder.ts';
import { VERSION } from '../version.ts';
import { filesBelow, sha256Of, type ObjectFile } from './files.ts';
import type { FoundObject } from './found-object.ts';
import { hangingTables } from './hanging-tables.ts';
import { FORMAT, MANIFEST, type Manifest } from './manifest.ts';
import { readRows } from './read-rows.ts';
import { LONGEST_NAME, TAR_END, tarHeader, tarPadding } from './tar.ts';

/** What was archived. */
export interface Archived {
  file: string;
  objects: readonly { kind: string; name: string; rows: number; files: number; bytes: number }[];
}

/**
 * Writes objects with all of their rows and files into one archive, as they are at one moment. The file is there as a whole or not at all.
 *
 * @param file path of the archive; what is there is replaced
 * @throws {ArchiveError} a row refers to others that cannot be told apart elsewhere, or a file changed while it was read
 */
export async function archiveObjects(em: EntityManager, objects: readonly FoundObject[], productsFolder: string, file: string): Promise<Archived> {
  const { rows, migrations } = await em.fork().transactional(async (tx) => {
    const tables = await hangingTables(tx);
    const all: string[][] = [];
    for (const object of objects) {
      const lines = await readRows(tx, object, tables);
      if (lines.length === 0) throw new ArchiveError(`${object.name} was deleted in this moment.`);
      all.push(lines);
    }
    const known = await tx.execute<{ name: string }[]>(`select name from ${MIGRATION_TABLE} order by id`);
    return { rows: all.map((lines) => Buffer.from(`${lines.join('\n')}\n`)), migrations: known.map(({ name }) => name) };
  }, { isolationLevel: IsolationLevel.REPEATABLE_READ, readOnly: true });

  const entries: { entry: string; bytes: number; modified: Date; content: () => AsyncIterable<Buffer>; sha256: string }[] = [];
  const described: Manifest['objects'] = [];
  const now = new Date();
  for (const [place, { kind, name }] of objects.entries()) {
    const folder = objectFolder(productsFolder, { kind, name });
    const lines = rows[place]!;
    const rowsEntry = { entry: `objects/${place + 1}/rows.ndjson`, bytes: lines.length, sha256: createHash('sha256').update(lines).digest('hex') };
    entries.push({ ...rowsEntry, modified: now, content: async function* () { yield lines; } });
    const files: Manifest['objects'][number]['files'] = [];
    for (const [number, one] of (await filesBelow(folder)).entries()) {
      const sha256 = await sha256Of(path.join(folder, one.path));
      const entry = nameIn(place + 1, number + 1, one);
      files.push({ entry, bytes: one.bytes, sha256, path: one.path });
      entries.push({ entry, bytes: one.bytes, sha256, modified: one.modified, content: () => createReadStream(path.join(folder, one.path)) as AsyncIterable<Buffer> });
    }
    described.push({ kind, name, rows: rowsEntry, files });
  }
  const manifest: Manifest = { format: FORMAT, afterglow: VERSION, madeAt: now.toISOString(), migrations, objects: described };
  const written = Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`);
  const whole = async function* (): AsyncGenerator<Buffer> {
    yield* fileOf({ entry: MANIFEST, bytes: written.length, modified: now, sha256: '', content: async function* () { yield written; } });
    for (const entry of entries) yield* fileOf(entry);
    yield TAR_END;
  };
  await pipeline(Readable.from(whole()), createGzip(), createWriteStream(`${file}.new`)).catch(async (error: unknown) => {
    await rm(`${file}.new`, { force: true });
    throw error;
  });
  await rename(`${file}.new`, file);
  return {
    file,
    objects: described.map(({ kind, name, rows: { bytes }, files }, place) => ({
      kind, name, rows: rows[place]!.toString('utf8').split('\n').length - 1, files: files.length, bytes: bytes + files.reduce((sum, one) => sum + one.bytes, 0),
    })),
  };
}

async function* fileOf({ entry, bytes, modified, content, sha256 }: { entry: string; bytes: number; modified: Date; content: () => AsyncIterable<Buffer>; sha256: string }): AsyncGenerator<Buffer> {
  yield tarHeader(entry, bytes, modified);
  const hash = createHash('sha256');
  let read = 0;
  for await (const chunk of content()) {
    hash.update(chunk);
    read += chunk.length;
    yield chunk;
  }
  if (sha256 !== '' && (read !== bytes || hash.digest('hex') !== sha256)) throw new ArchiveError(`${entry} was changed while it was archived. Try again when nothing of the object runs.`);
  yield tarPadding(bytes);
}

/** Its own path where every tar program can read it, else a number; where it belongs, the manifest says. */
function nameIn(object: number, number: number, { path: name }: ObjectFile): string {
  const entry = `objects/${object}/files/${name}`;
  return /^[\w.+=@/ -]+$/.test(name) && Buffer.byteLength(entry) <= LONGEST_NAME ? entry : `objects/${object}/files/%${number}`;
}
