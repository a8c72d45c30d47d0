// A server that outlives the command which started it must not depend on that command's settings (PGPORT, NODE_OPTIONS, a locale),
// nor keep its secrets.
const PASSED_ON = ['PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH'];

/** The few variables that the keeper and PostgreSQL get; messages in English, times in UTC. */
export function plainEnvironment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const passedOn: Record<string, string> = {};
  for (const name of PASSED_ON) if (process.env[name] !== undefined) passedOn[name] = process.env[name];
  return { ...passedOn, LC_ALL: 'C', TZ: 'UTC', ...more };
}
