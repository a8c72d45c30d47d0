import { claim, type ClaimedEntry } from './claim.ts';
import { isLimited, type EngineOptions, type EngineTask } from './engine-options.ts';
import { claimLimited, type LimitedClaim } from './limits.ts';
import type { Places } from './places.ts';
import type { Qualification } from './qualification.ts';

/** Waits after a claim that failed, seconds; they double up to the longest. */
const [FIRST_AGAIN_SECONDS, LONGEST_AGAIN_SECONDS] = [2, 30];

/** Claims the entries of one task as long as there are any. */
export class TaskLoop {
  readonly #options: EngineOptions;
  readonly #task: EngineTask;
  readonly #places: Places;
  readonly #attempt: (entry: ClaimedEntry) => Promise<void>;
  /** Undefined for a task without qualifiers. */
  readonly #qualification: Qualification | undefined;
  readonly #open = new Set<Promise<void>>();
  #woken = false;
  #stopped = false;
  #looking: Promise<void> | undefined;
  #again: NodeJS.Timeout | undefined;
  #heldBackBy: string | undefined;
  #failures = 0;

  constructor(options: EngineOptions, task: EngineTask, places: Places, attempt: (entry: ClaimedEntry) => Promise<void>, qualification?: Qualification) {
    this.#options = options;
    this.#task = task;
    this.#places = places;
    this.#attempt = attempt;
    this.#qualification = qualification;
  }

  get busy(): boolean {
    return this.#looking !== undefined || this.#open.size > 0;
  }

  /** What keeps the task from being claimed more; undefined where nothing does. */
  get heldBackBy(): string | undefined {
    return this.#heldBackBy;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#again);
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
      this.#places.claimed(room - claimed.length);
      if (claimed.length === room) this.#woken = true;
      for (const entry of claimed) void this.begin(entry);
    }
    // In the same turn as the check above: a wake after it starts a new look.
    this.#looking = undefined;
  }

  async #claim(room: number): Promise<ClaimedEntry[]> {
    if (this.#stopped) return [];
    const { log } = this.#options;
    const { name } = this.#task;
    try {
      const { entries, heldBack } = await (this.#qualification?.claim(room, (most, among) => this.#take(most, among)) ?? this.#take(room));
      this.#failures = 0;
      this.#heldBackBy = heldBack?.by;
      clearTimeout(this.#again);
      if (heldBack?.againInSeconds !== undefined) this.#lookAgainIn(Math.min(heldBack.againInSeconds, 60));
      return entries;
    } catch (error) {
      const againInSeconds = Math.min(FIRST_AGAIN_SECONDS * 2 ** this.#failures, LONGEST_AGAIN_SECONDS);
      log.error({ task: name, err: error }, `could not claim; trying again in ${againInSeconds} s`);
      this.#failures += 1;
      this.#lookAgainIn(againInSeconds);
      return [];
    }
  }

  async #take(room: number, among?: readonly string[]): Promise<LimitedClaim> {
    const { hot, daemonId, actor, leaseSeconds } = this.#options;
    const { id, name, kind, claimFromId, runner } = this.#task;
    const task = { id, name, kind, claimFromId, version: runner.version };
    const by = { daemonId, actor, leaseSeconds };
    return isLimited(this.#task) ? claimLimited(hot, task, by, room, among) : { entries: await claim(hot.run, task, by, room, among) };
  }

  // What keeps claims from being made need not tell anybody when it is over.
  #lookAgainIn(seconds: number): void {
    clearTimeout(this.#again);
    if (!this.#stopped) this.#again = setTimeout(() => void this.wake(), seconds * 1000 + 5);
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
