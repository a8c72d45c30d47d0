import { spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** A small disk of its own, in memory. */
export interface TinyDisk {
  folder: string;
  /** Not a byte more goes onto it. */
  fill(): void;
  free(): void;
  remove(): void;
}

/** Makes a small disk. @returns why there can be none here, where that is so: mounting mostly takes root */
export function tinyDisk(megabytes: number): TinyDisk | string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'afterglow-disk-'));
  const { error, status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder], { encoding: 'utf8' });
  if (status !== 0) {
    rmSync(folder, { recursive: true });
    return `no disk can be mounted here (${error?.message ?? stderr.trim()})`;
  }
  chmodSync(folder, 0o755);
  const ballast = path.join(folder, 'ballast');
  return {
    folder,
    fill() {
      for (const size of [1_048_576, 65_536, 4096, 1]) {
        try {
          for (;;) appendFileSync(ballast, Buffer.alloc(size));
        } catch (failure) {
          if ((failure as NodeJS.ErrnoException).code !== 'ENOSPC') throw failure;
        }
      }
    },
    free: () => rmSync(ballast, { force: true }),
    remove() {
      spawnSync('umount', ['--lazy', folder], { stdio: 'ignore' });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
