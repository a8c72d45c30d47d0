import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';

/** How a script is started: a program and the arguments that come before the script's own. */
export interface Launch {
  file: string;
  args: readonly string[];
}

/** Programs by the extension of a script. Others are started by their shebang, or by themselves. */
const INTERPRETERS: Readonly<Record<string, readonly string[]>> = {
  '.py': ['python3'],
  '.R': ['Rscript'],
  '.r': ['Rscript'],
  '.sh': ['sh'],
  '.ts': [process.execPath],
  '.mts': [process.execPath],
  '.js': [process.execPath],
  '.mjs': [process.execPath],
  '.cjs': [process.execPath],
};
/** The longest first line that the kernel reads. Source: linux/binfmts.h, BINPRM_BUF_SIZE. */
const SHEBANG_BYTES = 256;

/**
 * How a script is started, or why it cannot be: a whole sentence that names it.
 *
 * The extension decides, so that a script needs no executable bit; a `.sh` with a shebang is run by what that names. What
 * has another extension needs a shebang, or is a program with the executable bit.
 *
 * @param script absolute path
 * @param given a program, or a program with arguments, that is to run it, whatever its extension
 * @param searchPath where programs are looked for, as in PATH
 */
export function launchOf(script: string, given?: string | readonly string[], searchPath: string | undefined = process.env.PATH): Launch | { fault: string } {
  const unusable = whyNoFile(script);
  if (unusable !== undefined) return { fault: `The script ${script} ${unusable}.` };
  const interpreter = typeof given === 'string' ? [given] : (given ?? interpreterOf(script));
  if (interpreter === undefined) {
    // What is executable and text would be given to a shell by the C library.
    if (mayRun(script) && firstBytes(script).includes('\0')) return { file: script, args: [] };
    const known = [...new Set(Object.keys(INTERPRETERS))].join(', ');
    return { fault: `The script ${script} is no program, has no shebang, and its extension tells no interpreter (${known} do).` };
  }
  const [program = '', ...before] = interpreter;
  const found = findProgram(program, searchPath);
  if (found === undefined) return { fault: `The script ${script} needs the program "${program}", which ${program.includes('/') ? 'is not there or not executable' : 'is nowhere on the PATH'}.` };
  return { file: found, args: [...before, script] };
}

function whyNoFile(script: string): string | undefined {
  try {
    if (!statSync(script).isFile()) return 'is no file';
    accessSync(script, constants.R_OK);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'does not exist' : `cannot be read (${code})`;
  }
}

function interpreterOf(script: string): readonly string[] | undefined {
  const extension = path.extname(script);
  const byExtension = INTERPRETERS[extension];
  if (byExtension !== undefined && extension !== '.sh') return byExtension;
  // The kernel reads the shebang of what is executable; of what is not, we do.
  return shebangOf(script) ?? byExtension;
}

/** Program and at most one argument, as the kernel takes them. */
function shebangOf(script: string): string[] | undefined {
  const first = firstBytes(script);
  const [, program, argument] = /^#![ \t]*([^\s\0]+)[ \t]*([^\r\n]*)/.exec(first) ?? [];
  if (program === undefined) return undefined;
  const trimmed = argument?.trim() ?? '';
  return trimmed === '' ? [program] : [program, trimmed];
}

function firstBytes(file: string): string {
  const opened = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(SHEBANG_BYTES);
    return buffer.subarray(0, readSync(opened, buffer)).toString('latin1');
  } finally {
    closeSync(opened);
  }
}

function findProgram(program: string, searchPath: string | undefined): string | undefined {
  if (program.includes('/')) return mayRun(program) ? path.resolve(program) : undefined;
  return (searchPath ?? '/usr/local/bin:/usr/bin:/bin').split(':').map((folder) => path.join(folder || '.', program)).find(mayRun);
}

function mayRun(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
