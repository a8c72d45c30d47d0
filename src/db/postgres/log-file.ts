import { closeSync, copyFileSync, fstatSync, openSync, readSync, statfsSync, statSync, truncateSync } from 'node:fs';

const LARGEST_BYTES = 10 * 1024 * 1024;
const SHOWN_LINES = 12;

/**
 * Keeps the server's log from growing for ever: over 10 MB it is copied to `<file>.1` and emptied. The server may be writing
 * meanwhile (it appends, so it goes on at the new end); lines of that instant can be lost.
 */
export function rotate(logFile: string): void {
  if (sizeOf(logFile) <= LARGEST_BYTES) return;
  try {
    copyFileSync(logFile, `${logFile}.1`);
  } catch {
    // No room for a copy: then emptying it is all the more welcome.
  }
  truncateSync(logFile);
}

/** Bytes; 0 where there is no such file. */
export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** The last dozen lines that were written after `fromByte`, or nothing. */
export function lastLines(logFile: string, fromByte = 0): string[] {
  if (sizeOf(logFile) === 0) return [];
  const file = openSync(logFile, 'r');
  try {
    const { size } = fstatSync(file);
    const start = Math.max(fromByte > size ? 0 : fromByte, size - 16_384);
    const bytes = Buffer.alloc(size - start);
    readSync(file, bytes, 0, bytes.length, start);
    return bytes.toString('utf8').split('\n').filter((line) => line.trim() !== '').slice(-SHOWN_LINES);
  } finally {
    closeSync(file);
  }
}

/** For the end of an error message: the lines, and a word about the disk where it is nearly full (then the log may be missing). */
export function evidence(folder: string, logFile: string, lines: readonly string[]): string {
  return [diskHint(folder), lines.length === 0 ? '' : ` The end of ${logFile}:\n${lines.map((line) => `  ${line}`).join('\n')}`].join('');
}

function diskHint(folder: string): string {
  try {
    const { bavail, bsize } = statfsSync(folder);
    const freeMegabytes = (bavail * bsize) / 1e6;
    return freeMegabytes < 64 ? ` Only ${freeMegabytes.toFixed(1)} MB are free on that disk.` : '';
  } catch {
    return '';
  }
}
