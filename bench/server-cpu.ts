import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second in /proc, the same on every Linux that Node runs on. */
const TICKS = 100;

/**
 * CPU seconds that a server has used so far, with all processes that it started, those that have ended too.
 *
 * @param pid of the process that all others descend from directly, as PostgreSQL's do
 * @returns undefined where there is no /proc
 */
export function serverCpuSeconds(pid: number): number | undefined {
  const server = readStat(pid);
  if (server === undefined) return undefined;
  let ticks = server.own + server.ended;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readStat(Number(name));
    if (stat?.parent === pid) ticks += stat.own + stat.ended;
  }
  return ticks / TICKS;
}

// proc(5): after the name in brackets, which may hold anything, the fields are state, ppid, …; utime is the 14th of all, then stime, cutime, cstime.
function readStat(pid: number): { parent: number; own: number; ended: number } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number);
  return { parent: fields[1]!, own: fields[11]! + fields[12]!, ended: fields[13]! + fields[14]! };
}
