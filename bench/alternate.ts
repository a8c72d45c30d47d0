import { DeliveryError } from './pipeline/delivery-error.ts';
import { median } from './statistics.ts';

/** Something that is measured next to others. */
export interface Side<T> {
  name: string;
  run: () => Promise<T>;
  /** A void run of a side of ours is our mistake and fails the benchmark; another's is left out and told. */
  ours: boolean;
}

/** What was measured of each side, a run for each round; undefined where the run was void. */
export interface Rounds<T> {
  names: readonly string[];
  of(name: string): readonly (T | undefined)[];
  /** What was wrong with the runs that were void. */
  voids: readonly string[];
}

/**
 * Runs every side once a round, one after the other, and another one first each time, so that whatever else the machine does meets all
 * alike.
 *
 * @param said is told each run as it ends
 * @throws {DeliveryError} a run of ours was void
 */
export async function alternate<T>(sides: readonly Side<T>[], rounds: number, said: (round: number, name: string, run: T) => void): Promise<Rounds<T>> {
  const runs = new Map<string, (T | undefined)[]>(sides.map(({ name }) => [name, []]));
  const voids: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < sides.length; turn += 1) {
      const { name, run, ours } = sides[(round + turn) % sides.length]!;
      try {
        const measured = await run();
        runs.get(name)!.push(measured);
        said(round + 1, name, measured);
      } catch (error) {
        if (ours || !(error instanceof DeliveryError)) throw error;
        runs.get(name)!.push(undefined);
        voids.push(`${name}, round ${round + 1}: ${error.message}`);
      }
    }
  }
  return { names: sides.map(({ name }) => name), of: (name) => runs.get(name)!, voids };
}

/** The median of a figure over the rounds that count; undefined where none does. */
export function medianOf<T>({ of }: Rounds<T>, name: string, figure: (run: T) => number | undefined): number | undefined {
  const values = of(name).flatMap((run) => (run === undefined ? [] : (figure(run) ?? [])));
  return values.length === 0 ? undefined : median(values);
}

/** The median over the rounds of the quotient of two sides in the same round; undefined where there is no such round. */
export function ratioOf<T>({ of }: Rounds<T>, name: string, over: string, figure: (run: T) => number): number | undefined {
  const others = of(over);
  const values = of(name).flatMap((run, round) => {
    const other = others[round];
    return run === undefined || other === undefined ? [] : [figure(run) / figure(other)];
  });
  return values.length === 0 ? undefined : median(values);
}
