import { expect, it } from 'vitest';
import { keep } from '../../src/web/keep.ts';

it('callers at the same time share one question', async () => {
  let asked = 0;
  const kept = keep(async () => (asked += 1));
  expect(await Promise.all([kept(), kept(), kept()])).toEqual([1, 1, 1]);
});

it('an answer is kept until its time is over', async () => {
  let asked = 0;
  const kept = keep(async () => (asked += 1), 0);
  const short = keep(async () => (asked += 1), 60_000);
  expect(await short()).toBe(1);
  expect(await short()).toBe(1);
  expect(await kept()).toBe(2);
  await expect.poll(() => kept()).toBeGreaterThan(2);
});

it('an answer that was long in coming is kept for longer', async () => {
  let asked = 0;
  const kept = keep(async () => {
    const began = performance.now();
    await expect.poll(() => performance.now() - began > 50).toBe(true);
    return (asked += 1);
  }, 0);
  await kept();
  expect(await kept()).toBe(1);
});

it('an error is not kept', async () => {
  let asked = 0;
  const kept = keep(async () => {
    asked += 1;
    if (asked === 1) throw new Error('away');
    return asked;
  }, 60_000);
  await expect(kept()).rejects.toThrow('away');
  expect(await kept()).toBe(2);
});

it('what was forgotten is asked anew, even while the question is on its way', async () => {
  let asked = 0;
  const kept = keep(async () => (asked += 1), 60_000);
  const first = kept();
  kept.forget();
  expect(await kept()).toBe(2);
  expect(await first).toBe(1);
  expect(await kept()).toBe(2);
});
