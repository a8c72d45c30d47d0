import { readFileSync } from 'node:fs';
import path from 'node:path';

const MODULES = path.resolve(import.meta.dirname, '../../node_modules');

/** A package with the version that is installed, e.g. `pg-boss 12.35.0`. */
export function installed(name: string): string {
  const { version } = JSON.parse(readFileSync(path.join(MODULES, name, 'package.json'), 'utf8')) as { version: string };
  return `${name} ${version}`;
}
