import { describe, expect, it } from 'vitest';
import { toMs } from '../../src/domain/duration.js';
import {
  DEFAULT_POLICY,
  DURATION_BOUNDS_MS,
  FINAL,
  isPolicyDuration,
  NORMALLY,
  PHASES,
  POLICY_DURATIONS,
  WAITS_FOR_A_PERSON,
} from '../../src/domain/instance/index.js';
import { CAPACITY_GAP_MS, OUTAGE_GAP_MS } from '../../src/domain/placement/choose.js';

const MINUTE = 60_000;
const ms = (field: (typeof POLICY_DURATIONS)[number]) => toMs(DEFAULT_POLICY[field]);

describe('the default policy', () => {
  it.each([
    ['pendingToRunning', 20],
    ['runningToStopped', 10],
    ['stoppedToRunning', 20],
    ['toTerminated', 20],
    ['runningToSsh', 10],
  ] as const)('%s is the %s minutes of the contract', (field, minutes) => expect(ms(field)).toBe(minutes * MINUTE));

  it('nests: an offer that takes all its time, and is ended, leaves time for another within provisionWithin', () => {
    const offer = ms('pendingToRunning') + 2 * ms('runningToSsh'); // the firewall may take as long as SSH
    expect(offer).toBeLessThan(ms('provisionWithin'));
    expect(ms('pendingToRunning') + ms('toTerminated')).toBeLessThan(ms('provisionWithin'));
  });

  it('nests: a start may take as long as a first boot, and a stop no longer than an end', () => {
    expect(ms('stoppedToRunning')).toBeGreaterThanOrEqual(ms('pendingToRunning'));
    expect(ms('runningToStopped')).toBeLessThanOrEqual(ms('toTerminated'));
    expect(ms('runningToSsh')).toBeLessThanOrEqual(ms('pendingToRunning'));
  });

  it('nests: every gap of placement is shorter than the time it has', () => {
    for (const { first, ceiling } of [CAPACITY_GAP_MS, OUTAGE_GAP_MS]) {
      expect(first).toBeLessThan(ceiling);
      expect(2 * ceiling).toBeLessThan(ms('provisionWithin'));
    }
  });

  it('passes its own bounds', () => {
    for (const field of POLICY_DURATIONS) expect(isPolicyDuration(DEFAULT_POLICY[field])).toBe(true);
    expect([toMs('1s'), toMs('30d')]).toEqual([DURATION_BOUNDS_MS.min, DURATION_BOUNDS_MS.max]);
    expect(isPolicyDuration('1s') && isPolicyDuration('30d')).toBe(true);
    expect(isPolicyDuration('999ms')).toBe(false);
    expect(isPolicyDuration('31d')).toBe(false);
  });
});

describe('every phase', () => {
  it('says how long is normal, or waits for a person, or is final', () => {
    const silent = PHASES.filter((phase) => !NORMALLY[phase]);
    expect(new Set(silent)).toEqual(new Set([...WAITS_FOR_A_PERSON, ...FINAL]));
  });
});
