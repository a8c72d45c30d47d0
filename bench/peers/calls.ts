import { DeliveryError } from '../pipeline/delivery-error.ts';
import type { Item } from './peer.ts';

/** A run in which nothing happens for so long has lost something. */
const SILENCE_SECONDS = 60;

/** Counts the calls for each item, so that none can be lost or done twice unseen. */
export class Calls {
  readonly #perItem: Uint8Array;
  readonly #objects: number;
  #calls = 0;
  #onAll: () => void = () => {};

  constructor(objects: number, tasks: number) {
    this.#objects = objects;
    this.#perItem = new Uint8Array(objects * tasks);
  }

  count({ subject, task }: Item): void {
    this.#perItem[(task - 1) * this.#objects + subject - 1]! += 1;
    this.#calls += 1;
    if (this.#calls >= this.#perItem.length) this.#onAll();
  }

  /** Resolves when there were as many calls as items. @throws {DeliveryError} nothing happens any more */
  async untilAll(): Promise<void> {
    let silence: NodeJS.Timeout | undefined;
    let seen = -1;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#onAll = resolve;
        if (this.#calls >= this.#perItem.length) resolve();
        silence = setInterval(() => {
          if (this.#calls === seen) reject(new DeliveryError([`${seen} of ${this.#perItem.length} items were run, and then nothing happened for ${SILENCE_SECONDS} s`]));
          seen = this.#calls;
        }, SILENCE_SECONDS * 1000);
      });
    } finally {
      clearInterval(silence);
    }
  }

  /** @throws {DeliveryError} an item was not run, or more than once */
  assertOnceEach(): void {
    const lost = this.#perItem.filter((calls) => calls === 0).length;
    const repeated = this.#perItem.filter((calls) => calls > 1).length;
    if (lost + repeated > 0) throw new DeliveryError([`${lost} items were not run`, `${repeated} were run more than once`]);
  }
}
