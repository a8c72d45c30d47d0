import { describe, expect, it } from 'vitest';
import { Places } from '../../src/engine/places.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('places', () => {
  it('are reserved by halves at most, and given back', async () => {
    const places = new Places(8);
    expect([await places.reserve(), await places.reserve(), places.held]).toEqual([4, 4, 8]);
    let third: number | undefined;
    void places.reserve().then((room) => (third = room));
    await turn();
    expect(third).toBeUndefined();
    // A claim has come back with all that it asked for, and one of its entries has ended.
    places.claimed(0);
    places.free(1);
    await turn();
    expect([third, places.held]).toEqual([1, 8]);
  });

  it('are claimed for by two at once, and by the next when a claim has come back', async () => {
    const places = new Places(8);
    const rooms = [places.reserve(), places.reserve(), places.reserve()].map(async (room, place) => [place, await room]);
    places.free(4);
    expect(await Promise.race([rooms[2], turn().then(() => 'waits')])).toBe('waits');
    places.claimed(4);
    expect(await rooms[2]).toEqual([2, 4]);
  });

  it('run no more at once than there are, in the order of the calls', async () => {
    const places = new Places(2);
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    for (let n = 0; n < 5; n += 1) {
      places.run(() => {
        begun.push(n);
        return new Promise((resolve) => ends.push(resolve));
      });
    }
    expect([begun, places.running]).toEqual([[0, 1], 2]);
    ends[0]!();
    await turn();
    expect([begun, places.running]).toEqual([[0, 1, 2], 2]);
    places.hurry();
    expect([begun, places.running]).toEqual([[0, 1, 2, 3, 4], 4]);
    for (const end of ends) end();
    await turn();
    expect(places.running).toBe(0);
  });

  it('hold some more entries ready where runs are short, and none where they are long', async () => {
    const places = new Places(1);
    expect(await places.reserve()).toBe(1);
    places.claimed(1);
    for (let n = 0; n < 200; n += 1) places.run(async () => {});
    while (places.running > 0) await turn();
    const short = await places.reserve();
    expect(short).toBeGreaterThan(1);
    places.claimed(short);
    for (let n = 0; n < 16; n += 1) {
      places.run(() => new Promise((resolve) => setTimeout(resolve, 40)));
      while (places.running > 0) await turn();
    }
    expect(await places.reserve()).toBe(1);
  });
});
