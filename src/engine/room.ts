/** A resource, and what is taken of it, as a task that uses it sees it. */
export interface ResourceState {
  name: string;
  /** What one attempt of the task takes. */
  units: number;
  concurrency: number | null;
  perMinute: number | null;
  state: 'closed' | 'open';
  /** Of an open breaker: how long nobody asks any more; 0 or less once one at a time may try. */
  openSeconds: number | null;
  /** Units that running attempts of any task have. */
  usedUnits: number;
  /** Running attempts of any task that use it. */
  attempts: number;
  /** Units of the attempts that began within the last minute, and seconds until the oldest of them is a minute old. */
  startedUnits: number;
  nextSeconds: number | null;
}

/** What limits a task, all daemons together. */
export interface LimitState {
  concurrency: number | null;
  /** Its attempts that run. */
  running: number;
  resources: readonly ResourceState[];
}

/** One limit, and how many more entries of the task it lets in; less than 1: none. */
export interface Limit {
  limit: 'concurrency' | 'breaker' | 'resource' | 'rate';
  /** Undefined for the task's own concurrency. */
  resource?: string;
  used: number;
  of: number;
  entries: number;
  /** For people. */
  by: string;
  /** Seconds until it is worth asking again; undefined where an attempt has to end first, which says so. */
  againInSeconds: number | undefined;
}

/** Every limit of a task. The claim that has locked what they are made of takes no more than the least of them leaves. Pure. */
export function limitsOf({ concurrency, running, resources }: LimitState): Limit[] {
  const own: Limit[] = concurrency === null ? [] : [{ limit: 'concurrency', used: running, of: concurrency, entries: concurrency - running, by: `its concurrency of ${concurrency}`, againInSeconds: undefined }];
  return [...own, ...resources.flatMap(limitsOfResource)];
}

function limitsOfResource({ name, units, concurrency, perMinute, state, openSeconds, usedUnits, attempts, startedUnits, nextSeconds }: ResourceState): Limit[] {
  const limits: Limit[] = [];
  if (state === 'open') {
    const isCooling = (openSeconds ?? 0) > 0;
    // One attempt at a time finds out whether it is back; those that began before it failed count as such.
    const probes = isCooling || attempts > 0 ? 0 : 1;
    limits.push({ limit: 'breaker', resource: name, used: attempts, of: isCooling ? 0 : 1, entries: probes, by: `"${name}", which does not answer`, againInSeconds: isCooling ? openSeconds! : undefined });
  }
  if (concurrency !== null) {
    limits.push({ limit: 'resource', resource: name, used: usedUnits, of: concurrency, entries: Math.floor((concurrency - usedUnits) / units), by: `"${name}", of which there are ${concurrency}`, againInSeconds: undefined });
  }
  if (perMinute !== null) {
    limits.push({ limit: 'rate', resource: name, used: startedUnits, of: perMinute, entries: Math.floor((perMinute - startedUnits) / units), by: `"${name}", ${perMinute} a minute`, againInSeconds: nextSeconds ?? 60 });
  }
  return limits;
}
