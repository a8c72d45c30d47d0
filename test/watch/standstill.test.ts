import { describe, expect, it } from 'vitest';
import { Standstill } from '../../src/watch/standstill.ts';

/** A main loop that is looked at twice a second for so many seconds each; `turns` says whether it turned between two looks. */
function watched(...spans: readonly { seconds: number; turns: boolean }[]) {
  const story: string[] = [];
  const standstill = new Standstill(5, 500, { onStill: (seconds) => story.push(`still ${seconds}`), onOver: (seconds) => story.push(`over ${seconds}`) });
  let pulse = 0;
  let nowMs = 1_000_000;
  const look = (turns: boolean, afterMs = 500) => {
    if (turns) pulse += 1;
    nowMs += afterMs;
    standstill.look(pulse, nowMs);
  };
  look(true);
  for (const { seconds, turns } of spans) for (let half = 0; half < seconds * 2; half += 1) look(turns);
  return { story, standstill, look };
}

describe('a main loop that stands still', () => {
  it('is reported after the limit, and again after twice the time each time', () => {
    const { story, standstill } = watched({ seconds: 10, turns: true }, { seconds: 41, turns: false });
    expect(story).toEqual(['still 5', 'still 10', 'still 20', 'still 40']);
    expect([standstill.isStill, standstill.silentMs]).toEqual([true, 41_000]);
  });

  it('is reported once more when it turns again, and from the beginning the next time', () => {
    const { story, standstill } = watched({ seconds: 7, turns: false }, { seconds: 3, turns: true }, { seconds: 5, turns: false });
    expect(story).toEqual(['still 5', 'over 7', 'still 5']);
    expect(standstill.isStill).toBe(true);
  });

  it('is reported every ten minutes at least', () => {
    const { story } = watched({ seconds: 3 * 3600, turns: false });
    const at = story.map((line) => Number(line.split(' ')[1]));
    expect(Math.max(...at.slice(1).map((seconds, place) => seconds - at[place]!))).toBe(600);
  });
});

describe('a main loop that turns', () => {
  it('is not reported, however short the stops between', () => {
    const { story, standstill } = watched({ seconds: 4.5, turns: false }, { seconds: 1, turns: true }, { seconds: 4.5, turns: false }, { seconds: 1, turns: true });
    expect([story, standstill.isStill, standstill.silentMs]).toEqual([[], false, 0]);
  });

  it('is not reported when the whole process was frozen for an hour', () => {
    const { story, look } = watched({ seconds: 2, turns: true });
    look(false, 3_600_000);
    look(true);
    expect(story).toEqual([]);
  });
});
