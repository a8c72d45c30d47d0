import { readdirSync, readFileSync } from 'node:fs';

/** One process as the kernel's table of processes has it. */
export interface ProcessRow {
  pid: number;
  /** The process group: the id of the process that leads it. */
  group: number;
  /** When it started, in ticks since the machine did. */
  startedTicks: number;
  cpuSeconds: number;
  /** Page faults of the children that it has waited for: it changes whenever one of them has ended. */
  waitedFaults: number;
}

/** Ticks a second in everything that the kernel tells users; the same on all architectures. Source: proc_pid_stat(5), USER_HZ. */
const TICKS_PER_SECOND = 100;

/** A process that runs, or undefined: gone, dead and not yet collected, or no /proc here. */
export function readProcess(pid: number): ProcessRow | undefined {
  const text = read(`/proc/${pid}/stat`);
  // "pid (name) state …", and the name may hold anything. Counted from the state, which is field 3.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (text === '' || fields[0] === 'Z' || fields[0] === 'X') return undefined;
  const field = (n: number) => Number(fields[n - 3]);
  return { pid, group: field(5), startedTicks: field(22), cpuSeconds: (field(14) + field(15)) / TICKS_PER_SECOND, waitedFaults: field(11) };
}

/** Every process that runs; empty where there is no /proc. */
export function readProcesses(): ProcessRow[] {
  return namesIn('/proc').flatMap((name) => (/^\d+$/.test(name) ? (readProcess(Number(name)) ?? []) : []));
}

let recent: { rows: ProcessRow[]; atMs: number } | undefined;

/** Every process that runs, or ran so many milliseconds ago: reading thousands of them for each of many groups would take its time. */
export function recentProcesses(mostMs: number): ProcessRow[] {
  const now = performance.now();
  if (recent === undefined || now - recent.atMs > mostMs) recent = { rows: readProcesses(), atMs: now };
  return recent.rows;
}

/** Resident memory in MiB; 0 where the process is gone. */
export function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
}

/** A variable that a process was started with; undefined where it has none of this name, or may not be asked. */
export function environmentOf(pid: number, name: string): string | undefined {
  const found = `\0${read(`/proc/${pid}/environ`)}`.split(`\0${name}=`)[1];
  return found?.split('\0')[0];
}

/** Whether a process has children that it has not waited for. True where the kernel does not tell. */
export function hasChildren(pid: number): boolean {
  const threads = namesIn(`/proc/${pid}/task`);
  return threads.length === 0 || threads.some((thread) => read(`/proc/${pid}/task/${thread}/children`, '?') !== '');
}

function read(file: string, otherwise = ''): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return otherwise;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
