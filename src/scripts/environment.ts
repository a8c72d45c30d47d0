import path from 'node:path';

/** What of the daemon's own environment every script gets, where it is set. What holds passwords (DATABASE_URL) is not among it. */
export const PASSED_ON: readonly string[] = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'USER', 'LOGNAME'];

const HELPERS = path.join(import.meta.dirname, '../../helpers');

/** Where scripts find the helper modules: a folder for Python, a file for R. */
export const PYTHON_HELPERS = path.join(HELPERS, 'python');
export const R_HELPERS = path.join(HELPERS, 'r', 'afterglow.R');

/**
 * The environment of a script: what is passed on, where our helper modules are, what the caller adds, and nothing else.
 *
 * @param options `pass`: names of further variables of ours that go through; `set`: variables with their values, the last word
 */
export function scriptEnvironment({ pass = [], set = {} }: { pass?: readonly string[]; set?: Readonly<Record<string, string | undefined>> }): Record<string, string> {
  const passed = [...PASSED_ON, ...pass].map((name) => [name, process.env[name]] as const);
  const ours = { PYTHONPATH: PYTHON_HELPERS, PYTHONUNBUFFERED: '1', PYTHONIOENCODING: 'utf-8', AFTERGLOW_R: R_HELPERS };
  const environment = { ...ours, ...Object.fromEntries(passed), ...set };
  // Ours first, so that a module of the same name elsewhere is not taken for it.
  const paths = [PYTHON_HELPERS, environment.PYTHONPATH].filter((folder, at, all) => folder !== undefined && all.indexOf(folder) === at);
  return Object.fromEntries(Object.entries({ ...environment, PYTHONPATH: paths.join(':') }).filter((pair): pair is [string, string] => pair[1] !== undefined));
}
