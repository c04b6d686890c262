import { describe, expect, it } from 'vitest';
import { listingGap } from '../../src/activities/shared-listing.js';

describe('from one listing of an account to the next', () => {
  it.each([
    ['takes no time', 0, 1_000],
    ['takes less than half an interval', 499, 1_000],
    ['takes longer: as long a pause follows', 800, 1_600],
    ['takes very long: nobody takes its watcher for dead', 9_000, 2_500],
  ])('a listing that %s', (_, tookMs, gapMs) => {
    expect(listingGap(tookMs, 1_000)).toBe(gapMs);
  });

  it('is never less than the provider allows', () => {
    for (const tookMs of [0, 1, 100, 10_000]) expect(listingGap(tookMs, 5_000)).toBeGreaterThanOrEqual(5_000);
  });
});
