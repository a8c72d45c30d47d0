import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The repository's folder. */
export const ROOT = path.resolve(import.meta.dirname, '..');

/** What npm, git, runs and tests leave in the folder; the same as in .gitignore. */
const NOT_OURS = ['node_modules', '.git', 'data', 'coverage'];

/** The texts of files of the repository by their path in it, which is written with `/`. */
export function sources(...patterns: readonly string[]): Map<string, string> {
  const files = globSync([...patterns], { cwd: ROOT, withFileTypes: true, exclude: (entry) => NOT_OURS.includes(entry.name) })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'));
  return new Map(files.toSorted().map((file) => [file, readFileSync(path.join(ROOT, file), 'utf8')]));
}

/** One import or re-export of another file of ours. */
export interface Import {
  /** The file that imports, and the line (from 1) that it does so in. */
  from: string;
  line: number;
  /** The imported file. */
  to: string;
}

// A statement begins its line, whatever it names between the words and the file; `import('…')` may stand anywhere.
const STATEMENT = /^[ \t]*(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])(?<file>\.[^'"\n]*)\1|^[ \t]*import\s*(['"])(?<bare>\.[^'"\n]*)\3|\bimport\(\s*(['"])(?<late>\.[^'"\n]*)\5/gm;

/** Every import of a file of ours, those of types too; packages and Node's own modules are left out. */
export function importsOf(file: string, text: string): Import[] {
  return [...withoutComments(text).matchAll(STATEMENT)].map((match) => {
    const { file: named, bare, late } = match.groups as { file?: string; bare?: string; late?: string };
    const begin = match.index + match[0].search(/\S/);
    return {
      from: file,
      line: text.slice(0, begin).split('\n').length,
      to: path.posix.join(path.posix.dirname(file), named ?? bare ?? late ?? ''),
    };
  });
}

// Blanks out comments that fill whole lines, keeping the lines where they are.
function withoutComments(text: string): string {
  return text.replaceAll(/^[ \t]*(?:\/\*[\s\S]*?\*\/|\/\/.*)/gm, (comment) => comment.replaceAll(/[^\n]/g, ' '));
}
