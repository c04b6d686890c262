import { describe, expect, it } from 'vitest';
import { SimClock } from '../../src/simcloud/clock.js';

describe('the clock', () => {
  it('meets what is due in order, each at its own time, and what that plans as well', async () => {
    const clock = new SimClock();
    const start = clock.now();
    const met: [string, number][] = [];
    const note = (name: string) => (): void => void met.push([name, Math.round((clock.now() - start) / 60_000)]);
    clock.after(120_000, note('second'));
    clock.after(60_000, async () => {
      note('first')();
      await Promise.resolve();
      clock.after(120_000, note('third'));
    });
    clock.after(600_000, note('never'));
    clock.after(90_000, note('cancelled')).cancel();
    await clock.advance(300_000);
    expect(met).toEqual([
      ['first', 1],
      ['second', 2],
      ['third', 3],
    ]);
    expect(clock.now() - start).toBeGreaterThanOrEqual(300_000);
    clock.stop();
  });

  it('runs by itself in real time, and no more once it is stopped', async () => {
    const clock = new SimClock();
    await clock.wait(5);
    const waiting = clock.wait(5).then(() => 'woken');
    clock.stop();
    const later = new Promise((resolve) => setTimeout(() => resolve('asleep'), 20));
    expect(await Promise.race([waiting, later])).toBe('asleep');
  });
});
