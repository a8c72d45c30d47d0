import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DueAlarm } from '../../src/daemon/due-alarm.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the alarm of what is due', () => {
  it('goes off at the earliest of the times that it is told, and leaves to others what is late', async () => {
    const times: number[] = [];
    const begin = performance.now();
    const alarm = new DueAlarm(5, async () => void times.push(Math.floor((performance.now() - begin) / 100) * 100));
    for (const seconds of [3, 1, 2, 6, null, Number.NaN]) alarm.set(seconds);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(times).toEqual([1000]);
    alarm.set(-1);
    alarm.set(2);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(times).toEqual([1000, 10_000]);
    alarm.set(1);
    alarm.stop();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(times).toHaveLength(2);
  });
});
