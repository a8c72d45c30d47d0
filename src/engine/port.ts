import type { ClaimedEntry } from './claim.ts';
import type { CpuMeter } from './cpu-meter.ts';
import type { EngineWork } from './engine-options.ts';
import type { Leases } from './leases.ts';
import type { Unsettled } from './unsettled.ts';

/**
 * What carries the attempts of a daemon: `local` runs them here as soon as it has claimed them, `bullmq` hands the entries to
 * Redis, from where any worker takes them. Either way the register decides what may run, an attempt and its lease begin with
 * a claim, and only who holds the attempt writes its end.
 */
export interface Engine {
  /** The attempts that run here; whoever keeps their leases alive asks for them. */
  readonly leases: Leases;
  /** The runs that go on here after they were given up. */
  readonly unsettled: Unsettled;
  /** Shares this process's CPU time out among what runs. */
  readonly cpu: CpuMeter;
  /** Attempts that run here now. */
  readonly running: number;
  /** Attempts that have ended here. */
  readonly ended: number;
  /** Whether nothing is in our hands and no look at the register is under way. */
  readonly quiet: boolean;
  /** Called whenever the last entry in our hands has been written, or a look found nothing and nothing runs. */
  onQuiet(listener: () => void): void;
  /** Goes on with this work in place of that of before: no more is claimed the old way, what is claimed already ends as it would have. */
  take(work: EngineWork): void;
  /** Looks for entries that may run, of a task or of all, and brings them on their way. Resolves when a look that began after the call found no more. */
  wake(taskId?: number): Promise<void>;
  /** Whether the last look at a task was cut short by a limit, so that entries of it may be left that could have been run. */
  isHeldBack(taskId: number): boolean;
  /** Why the last look at a task took nothing, where its qualifiers are the reason; undefined elsewhere. */
  unqualified(taskId: number): string | undefined;
  /** A setting has changed: what did not qualify is looked at again at once. */
  settingsChanged(): Promise<void>;
  /** Runs one entry that was claimed by other means, here; resolves when its end is written. */
  runClaimed(entry: ClaimedEntry): Promise<void>;
  /**
   * Takes no more, lets what runs here finish within the grace time, then tells it to stop and hands it back.
   *
   * @param graceSeconds 0 hands back at once
   */
  stop(graceSeconds: number): Promise<void>;
  /** Tells everything that runs here to stop and hands it back at once. */
  handBack(): void;
}
