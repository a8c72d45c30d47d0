import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { ArchiveError } from '../errors.ts';

/** A file of an object. */
export interface ObjectFile {
  /** In the object's folder, with slashes. */
  path: string;
  bytes: number;
  modified: Date;
}

/** The plain files below a folder, ordered by path; none where there is no such folder. Links are not followed and not among them. */
export async function filesBelow(folder: string): Promise<ObjectFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const files = entries.filter((entry) => entry.isFile()).map(async (entry): Promise<ObjectFile> => {
    const file = path.join(entry.parentPath, entry.name);
    const { size, mtime } = await lstat(file);
    return { path: path.relative(folder, file).split(path.sep).join('/'), bytes: size, modified: mtime };
  });
  return (await Promise.all(files)).toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** SHA-256 of a file, hexadecimal. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/**
 * Where a file of an archive belongs.
 *
 * @param name as the archive has it
 * @throws {ArchiveError} it would lie outside of the folder, or is no plain path
 */
export function placeOf(folder: string, name: string): string {
  const parts = name.split('/');
  const odd = parts.some((part) => part === '' || part === '.' || part === '..' || Buffer.byteLength(part) > 255);
  // oxlint-disable-next-line no-control-regex -- these are the very characters that are refused
  if (odd || /[\\\u0000-\u001f\u007f]/.test(name) || path.isAbsolute(name) || /^[A-Za-z]:/.test(name)) {
    throw new ArchiveError(`The archive has a file whose path leads elsewhere or is none: ${JSON.stringify(name)}. It is refused.`);
  }
  return path.join(folder, ...parts);
}
