import { expect, test } from 'vitest';
import { alternate, medianOf, ratioOf, type Side } from '../../bench/alternate.ts';
import { Calls } from '../../bench/peers/calls.ts';
import { DeliveryError } from '../../bench/pipeline/delivery-error.ts';

/** A side that measures these values, one a round; an error is thrown. */
function side(name: string, values: readonly (number | Error)[], ours = false): Side<number> {
  const left = [...values];
  return {
    name,
    ours,
    async run() {
      const value = left.shift()!;
      if (value instanceof Error) throw value;
      return value;
    },
  };
}

test('another side begins each round, and each runs once in it', async () => {
  const order: string[] = [];
  await alternate([side('a', [1, 1]), side('b', [1, 1]), side('c', [1, 1])], 2, (round, name) => order.push(`${round}${name}`));
  expect(order).toEqual(['1a', '1b', '1c', '2b', '2c', '2a']);
});

test('a ratio is the median over the rounds of both sides in the same round', async () => {
  const rounds = await alternate([side('a', [2, 30, 8]), side('b', [1, 10, 2])], 3, () => {});
  expect(ratioOf(rounds, 'a', 'b', (value) => value)).toBe(3);
  expect(medianOf(rounds, 'a', (value) => value)).toBe(8);
});

test('a void run of another is left out and told, one of ours fails the benchmark', async () => {
  const lost = () => new DeliveryError(['1 item was lost']);
  const rounds = await alternate([side('ours', [2, 4], true), side('theirs', [lost(), 1])], 2, () => {});
  expect(ratioOf(rounds, 'ours', 'theirs', (value) => value)).toBe(4);
  expect(rounds.voids).toEqual(['theirs, round 1: This run is void: 1 item was lost.']);
  await expect(alternate([side('ours', [lost()], true)], 1, () => {})).rejects.toThrow('1 item was lost');
});

test('a side without a run that counts has no figure', async () => {
  const rounds = await alternate([side('ours', [1], true), side('theirs', [new DeliveryError(['all lost'])])], 1, () => {});
  expect(medianOf(rounds, 'theirs', (value) => value)).toBeUndefined();
  expect(ratioOf(rounds, 'ours', 'theirs', (value) => value)).toBeUndefined();
});

test('an item that is run twice while another is not run at all does not go unseen', async () => {
  const calls = new Calls(2, 1);
  calls.count({ subject: 1, task: 1 });
  calls.count({ subject: 1, task: 1 });
  await calls.untilAll();
  expect(() => calls.assertOnceEach()).toThrow('This run is void: 1 items were not run; 1 were run more than once.');
});
