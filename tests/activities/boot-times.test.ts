import { describe, expect, it } from 'vitest';
import { BootTimes } from '../../src/activities/journal/boot-times.js';
import { type Journal, JournalUnavailable } from '../../src/journal/index.js';

const running = { count: 20, p50: 60_000, p99: 90_000 };

/** A journal that answers this, and counts how often it is asked. */
function journalWith(answer: () => Promise<Awaited<ReturnType<Journal['bootTimes']>>>) {
  const asked: unknown[] = [];
  const bootTimes: Journal['bootTimes'] = async (query) => {
    asked.push(query?.offerId);
    return await answer();
  };
  return { asked, boots: new BootTimes(async () => ({ bootTimes }) as Journal) };
}

describe('how long machines of an offer usually take', () => {
  it('is what the journal measured, asked for once for many creates', async () => {
    const { boots, asked } = journalWith(async () => [{ offerId: 'a', running }]);
    const usual = { machines: 20, p50Ms: 60_000, p99Ms: 90_000 };
    expect(await Promise.all([boots.usual('a'), boots.usual('a')])).toEqual([usual, usual]);
    expect(await boots.usual('a')).toEqual(usual);
    expect(asked).toEqual(['a']);
  });

  it('is not known for an offer whose machines never ran', async () => {
    const { boots } = journalWith(async () => []);
    expect(await boots.usual('a')).toBeUndefined();
  });

  it('is not known while the journal is down, and asked for again afterwards', async () => {
    let isDown = true;
    const { boots, asked } = journalWith(async () => {
      if (isDown) throw new JournalUnavailable('down');
      return [{ offerId: 'a', running }];
    });
    expect(await boots.usual('a')).toBeUndefined();
    isDown = false;
    expect(await boots.usual('a')).toMatchObject({ machines: 20 });
    expect(asked).toHaveLength(2);
  });

  it('holds no create up: a journal that does not answer is not waited for', async () => {
    const { boots } = journalWith(() => new Promise(() => undefined));
    expect(await boots.usual('a')).toBeUndefined();
  });
});
