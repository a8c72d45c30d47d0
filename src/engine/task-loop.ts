import { claim, type ClaimedEntry } from './claim.ts';
import type { EngineOptions, EngineTask } from './engine-options.ts';
import type { Places } from './places.ts';

/** Claims the entries of one task as long as there are any. */
export class TaskLoop {
  readonly #options: EngineOptions;
  readonly #task: EngineTask;
  readonly #places: Places;
  readonly #attempt: (entry: ClaimedEntry) => Promise<void>;
  readonly #open = new Set<Promise<void>>();
  #woken = false;
  #stopped = false;
  #looking: Promise<void> | undefined;

  constructor(options: EngineOptions, task: EngineTask, places: Places, attempt: (entry: ClaimedEntry) => Promise<void>) {
    this.#options = options;
    this.#task = task;
    this.#places = places;
    this.#attempt = attempt;
  }

  get busy(): boolean {
    return this.#looking !== undefined || this.#open.size > 0;
  }

  stop(): void {
    this.#stopped = true;
  }

  async drained(): Promise<void> {
    await this.#looking;
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  // A wake that comes while a claim is on its way must not be lost: what it announces may have come after the claim's look.
  wake(): Promise<void> {
    this.#woken = true;
    if (this.#stopped) return Promise.resolve();
    return (this.#looking ??= this.#look());
  }

  async #look(): Promise<void> {
    while (this.#woken && !this.#stopped) {
      this.#woken = false;
      const room = await this.#places.reserve();
      const claimed = await this.#claim(room);
      this.#places.free(room - claimed.length);
      if (claimed.length === room) this.#woken = true;
      for (const entry of claimed) void this.begin(entry);
    }
    // In the same turn as the check above: a wake after it starts a new look.
    this.#looking = undefined;
  }

  async #claim(room: number): Promise<ClaimedEntry[]> {
    if (this.#stopped) return [];
    const { fork, daemonId, actor, leaseSeconds, log } = this.#options;
    const { id, name, kind, claimFromId, runner } = this.#task;
    try {
      return await claim(fork(), { id, name, kind, claimFromId, version: runner.version }, { daemonId, actor, leaseSeconds }, room);
    } catch (error) {
      log.error({ task: name, err: error }, 'could not claim; the next tick tries again');
      return [];
    }
  }

  /** Resolves when the entry's end is written. */
  begin(entry: ClaimedEntry): Promise<void> {
    const open = this.#attempt(entry).finally(() => {
      this.#open.delete(open);
      this.#places.free(1);
    });
    this.#open.add(open);
    return open;
  }
}
