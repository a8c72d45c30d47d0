import { describe, expect, it } from 'vitest';
import { CpuMeter } from '../../src/engine/cpu-meter.ts';

/** Computes until this process has used so many milliseconds of processor time. */
function compute(ms: number): void {
  const before = process.cpuUsage();
  for (;;) {
    const { user, system } = process.cpuUsage(before);
    if (user + system >= ms * 1000) return;
  }
}

describe('processor time', () => {
  it('goes to the attempt that runs alone, and is shared by those that run side by side', () => {
    const meter = new CpuMeter();
    const all = process.cpuUsage();
    const first = meter.start();
    compute(60);
    const second = meter.start();
    compute(60);
    const ofSecond = second();
    compute(60);
    const ofFirst = first();
    const { user, system } = process.cpuUsage(all);
    // 60 alone, half of 60, and 60 alone again; the other half is the second's.
    expect(ofFirst).toBeGreaterThan(0.14);
    expect(ofSecond).toBeGreaterThan(0.025);
    expect(ofSecond).toBeLessThan(ofFirst / 2);
    expect(ofFirst + ofSecond).toBeLessThanOrEqual((user + system) / 1e6 + 0.002);
  });

  it('that is used while nothing runs belongs to nobody', () => {
    const meter = new CpuMeter();
    meter.start()();
    compute(60);
    expect(meter.start()()).toBeLessThan(0.02);
  });
});
