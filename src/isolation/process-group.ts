import { setTimeout as delay } from 'node:timers/promises';
import { MARK } from './mark.ts';
import { environmentOf, hasChildren, readProcess, readProcesses, recentProcesses, residentMiB, type ProcessRow } from './process-table.ts';

/** How often those who were killed are looked for: often at first, then less so. Milliseconds. */
const LOOK_MS = { first: 10, most: 250 };
/** Who does not go though it was killed for so long is not ours to kill (it has become another user); seconds. */
const UNKILLABLE_SECONDS = 10;
/** How old the table of processes may be that memory is looked up by, ms. */
const RECENT_MS = 200;
const HAS_TABLE = readProcess(process.pid) !== undefined;

/**
 * A process with all that it has started, which is killed as a whole. It leads a process group of its own; what has left
 * the group (a process that made itself a daemon) is found by a mark in its environment, where there is a /proc.
 */
export class ProcessGroup {
  readonly leader: number;
  readonly #mark: string;
  readonly #startedTicks: number;
  #waitedFaults: number | undefined;
  #over = false;

  /** @param mark as it stands in the leader's environment, and in nobody else's */
  constructor(leader: number, mark: string) {
    this.leader = leader;
    this.#mark = mark;
    this.#startedTicks = readProcess(leader)?.startedTicks ?? Infinity;
  }

  /** From now on {@link startedAny} tells what happens after this moment. */
  look(): void {
    this.#waitedFaults = readProcess(this.leader)?.waitedFaults;
  }

  /** Whether the leader may have started other processes since the last {@link look}; cheap, and right where it says no. */
  get startedAny(): boolean {
    const row = readProcess(this.leader);
    return row === undefined || row.waitedFaults !== this.#waitedFaults || hasChildren(this.leader);
  }

  /** Resident memory in MiB and processor time in seconds of the group; undefined where there is no /proc. */
  usage(): { residentMiB: number; cpuSeconds: number } | undefined {
    const leader = readProcess(this.leader);
    if (leader === undefined) return undefined;
    const members = this.startedAny ? recentProcesses(RECENT_MS).filter(({ group }) => group === this.leader) : [leader];
    return {
      residentMiB: members.reduce((sum, { pid }) => sum + residentMiB(pid), 0),
      cpuSeconds: members.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    };
  }

  /** Sends a signal to everyone. */
  signal(signal: NodeJS.Signals): void {
    if (this.#over) return;
    send(-this.leader, signal);
    for (const { pid, group } of this.#members()) if (group !== this.leader) send(pid, signal);
  }

  /** Kills everyone and waits until they are gone. @returns those who cannot be killed */
  async kill(): Promise<number[]> {
    const left = await this.#killUntilGone(() => this.#members(), (pids) => {
      send(-this.leader, 'SIGKILL');
      for (const pid of pids) send(pid, 'SIGKILL');
    });
    // From here on the number may belong to others.
    this.#over = true;
    return left;
  }

  /** Kills everyone but the leader; nobody where there is no /proc to find them. @returns how many there were */
  async killOthers(): Promise<number> {
    if (!HAS_TABLE) return 0;
    const found = new Set<number>();
    await this.#killUntilGone(
      () => this.#members().filter(({ pid }) => pid !== this.leader),
      (pids) => {
        for (const pid of pids) {
          found.add(pid);
          send(pid, 'SIGKILL');
        }
      },
    );
    return found.size;
  }

  /** Whether nobody is left. */
  get gone(): boolean {
    return this.#over || (HAS_TABLE ? this.#members().length === 0 : !send(-this.leader, 0));
  }

  async #killUntilGone(members: () => ProcessRow[], kill: (pids: readonly number[]) => void): Promise<number[]> {
    const started = performance.now();
    for (let wait = LOOK_MS.first; ; wait = Math.min(wait * 2, LOOK_MS.most)) {
      const pids = members().map(({ pid }) => pid);
      if (pids.length === 0 && (HAS_TABLE || this.gone)) return [];
      // The leader is waited for however long it takes: while it lives, it may still write.
      if (!pids.includes(this.leader) && performance.now() - started > UNKILLABLE_SECONDS * 1000) return pids;
      kill(pids);
      await delay(wait);
    }
  }

  #members(): ProcessRow[] {
    if (this.#over) return [];
    return readProcesses().filter(({ pid, group, startedTicks }) => group === this.leader || (startedTicks >= this.#startedTicks && environmentOf(pid, MARK) === this.#mark));
  }
}

/** @returns whether there was anyone to send it to */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
