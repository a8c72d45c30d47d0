import { describe, expect, it } from 'vitest';
import type { MissedSlots } from '../../src/runner/runner.ts';
import { decide, type Evidence } from '../../src/schedule/decide.ts';
import { closeEra, type Ledger } from '../../src/schedule/ledger.ts';

const at = (time: string) => new Date(`2026-03-01T${time}Z`);
const ms = (time: string) => at(time).getTime();
const minutely: Ledger = { inForce: { pattern: '* * * * *', timeZone: 'UTC', enabled: true }, earlier: [], accountedTo: at('12:00:00') };

/** What is decided at a time, in short: what is run, and what is missed with its reason. */
function decided(policy: MissedSlots, now: string, evidence: Partial<Evidence> = {}, ledger = minutely) {
  const decision = decide(ledger, policy, { now: at(now), ticks: [], fired: [], troubles: [], otherwise: 'no daemon', ...evidence });
  const short = (slot: Date) => slot.toISOString().slice(11, 19);
  return decision && {
    to: short(decision.accountedTo),
    run: decision.run && `${decision.run.cause} ${short(decision.run.slot)}`,
    missed: decision.missed.map(({ slot, lastSlot, slots, reason }) => (slots === 1 ? `${short(slot)} ${reason}` : `${short(slot)} to ${short(lastSlot!)}, ${slots}: ${reason}`)),
  };
}

describe('a slot that comes', () => {
  it('is fired at its time, and up to a minute late, whatever the policy', () => {
    for (const policy of ['skip', 'once', { all: 3 }] as const) {
      expect(decided(policy, '12:01:00')).toEqual({ to: '12:01:00', run: 'schedule 12:01:00', missed: [] });
      expect(decided(policy, '12:01:59')).toEqual({ to: '12:01:00', run: 'schedule 12:01:00', missed: [] });
    }
    expect(decided('skip', '12:00:59')).toBeUndefined();
  });

  it('while the runner is busy is missed, or caught up', () => {
    const evidence = { ticks: [{ startedMs: ms('12:00:00'), endedMs: ms('12:01:10'), finished: true }] };
    expect(decided('skip', '12:01:10', evidence)).toEqual({ to: '12:01:00', run: undefined, missed: ['12:01:00 busy'] });
    expect(decided('once', '12:01:10', evidence)).toEqual({ to: '12:01:00', run: 'catch-up 12:01:00', missed: [] });
    expect(decided({ all: 1 }, '12:01:10', evidence)).toEqual({ to: '12:01:00', run: 'catch-up 12:01:00', missed: [] });
  });
});

describe('slots that were missed', () => {
  const hourly: Ledger = { ...minutely, inForce: { pattern: '0 * * * *', timeZone: 'UTC', enabled: true } };

  it('are skipped, caught up once, or up to so many one by one', () => {
    expect(decided('skip', '15:30:00', {}, hourly)).toEqual({ to: '15:00:00', run: undefined, missed: ['13:00:00 no daemon', '14:00:00 no daemon', '15:00:00 no daemon'] });
    expect(decided('once', '15:30:00', {}, hourly)).toEqual({ to: '15:00:00', run: 'catch-up 15:00:00', missed: ['13:00:00 no daemon', '14:00:00 no daemon'] });
    expect(decided({ all: 2 }, '15:30:00', {}, hourly)).toEqual({ to: '14:00:00', run: 'catch-up 14:00:00', missed: ['13:00:00 no daemon'] });
    expect(decided({ all: 9 }, '15:30:00', {}, hourly)).toEqual({ to: '13:00:00', run: 'catch-up 13:00:00', missed: [] });
  });

  it('are not caught up beside one that is fired in time, but by it', () => {
    expect(decided('once', '12:03:10')).toEqual({ to: '12:03:00', run: 'schedule 12:03:00', missed: ['12:01:00 no daemon', '12:02:00 no daemon'] });
    expect(decided({ all: 1 }, '12:03:10')).toEqual({ to: '12:02:00', run: 'catch-up 12:02:00', missed: ['12:01:00 no daemon'] });
  });

  it('are not caught up once more when the runner has run since for another cause', () => {
    const startTick = { ticks: [{ startedMs: ms('15:20:00'), endedMs: ms('15:21:00'), finished: true }] };
    expect(decided('once', '15:30:00', startTick, hourly)).toMatchObject({ to: '15:00:00', run: undefined });
    expect(decided('once', '15:30:00', { ticks: [{ ...startTick.ticks[0]!, finished: false }] }, hourly)).toMatchObject({ run: 'catch-up 15:00:00' });
  });

  it('each have the reason of their time', () => {
    const evidence: Partial<Evidence> = {
      ticks: [{ startedMs: ms('12:30:00'), endedMs: ms('13:00:00'), finished: true }],
      troubles: [{ fromMs: ms('13:50:00'), untilMs: ms('14:10:00'), reason: 'database away' }, { fromMs: ms('11:00:00'), untilMs: ms('16:00:00'), reason: 'blocked' }],
    };
    expect(decided('skip', '17:30:00', evidence, hourly)?.missed).toEqual(['13:00:00 busy', '14:00:00 database away', '15:00:00 blocked', '16:00:00 blocked', '17:00:00 no daemon']);
  });

  it('by the hundred become one row for each reason in one go', () => {
    const secondly: Ledger = { ...minutely, inForce: { ...minutely.inForce, pattern: '* * * * * *' } };
    const evidence: Partial<Evidence> = { troubles: [{ fromMs: ms('12:10:00.500'), untilMs: ms('12:20:00'), reason: 'asleep' }] };
    expect(decided('skip', '12:30:00', evidence, secondly)).toEqual({
      to: '12:30:00',
      run: 'schedule 12:30:00',
      missed: ['12:00:01 to 12:10:00, 600: no daemon', '12:10:01 to 12:20:00, 600: asleep', '12:20:01 to 12:29:59, 599: no daemon'],
    });
  });

  it('are not held up by ones that were fired ahead of their time and have not come again', () => {
    expect(decided('skip', '12:01:00', { fired: [at('12:02:00')] })).toEqual({ to: '12:01:00', run: 'schedule 12:01:00', missed: [] });
  });

  it('that had been fired before the clock was set back are passed over', () => {
    const evidence: Partial<Evidence> = { fired: [at('13:00:00'), at('14:00:00')] };
    expect(decided('once', '15:30:00', evidence, hourly)).toEqual({ to: '13:00:00', run: undefined, missed: [] });
    expect(decided('skip', '15:30:00', { fired: [at('15:00:00')] }, hourly)).toEqual({ to: '14:00:00', run: undefined, missed: ['13:00:00 no daemon', '14:00:00 no daemon'] });
  });
});

describe('after an edit', () => {
  const hourly: Ledger = { ...minutely, inForce: { pattern: '0 * * * *', timeZone: 'UTC', enabled: true } };
  const edited = (ledger: Ledger, now: string, pattern: string, enabled = true): Ledger => ({ inForce: { pattern, timeZone: 'UTC', enabled }, ...closeEra(ledger, at(now)) });

  it('slots are caught up by the plan that was in force at their time', () => {
    const ledger = edited(edited(hourly, '13:30:00', '15 * * * *'), '15:40:00', '*/20 * * * *');
    expect(decided({ all: 9 }, '16:30:00', {}, ledger)).toMatchObject({ run: 'catch-up 13:00:00' });
    expect(decided('once', '16:30:00', {}, ledger)).toEqual({
      to: '16:20:00', run: 'catch-up 16:20:00', missed: ['13:00:00 no daemon', '14:15:00 no daemon', '15:15:00 no daemon', '16:00:00 no daemon'],
    });
  });

  it('a time in which the schedule was off has no slots', () => {
    const ledger = edited(edited(hourly, '13:30:00', '0 * * * *', false), '15:40:00', '0 * * * *');
    expect(decided('skip', '17:30:00', {}, ledger)?.missed).toEqual(['13:00:00 no daemon', '16:00:00 no daemon', '17:00:00 no daemon']);
  });

  it('nothing is kept of a plan whose slots are all accounted for', () => {
    expect(closeEra(hourly, at('12:30:00'))).toEqual({ earlier: [], accountedTo: at('12:30:00') });
    expect(closeEra({ ...hourly, inForce: { ...hourly.inForce, enabled: false } }, at('15:30:00'))).toEqual({ earlier: [], accountedTo: at('15:30:00') });
  });
});
