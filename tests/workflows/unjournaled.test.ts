import { describe, expect, it } from 'vitest';
import { fold, type InstanceEvent } from '../../src/domain/instance/index.js';
import { Instance } from '../../src/workflows/entity.js';
import { type JournalMark, Unjournaled } from '../../src/workflows/unjournaled.js';
import { ready, requested, SHAPES, stamp, west } from '../journal/support/lives.js';

/** A life of so many events: tags that are changed again and again. */
function longLife(events: number): InstanceEvent[] {
  const facts = SHAPES.ready?.('a', west) ?? [requested('a'), ready()];
  const change = (index: number) => ({ type: 'TagsChangeRequested' as const, requestId: `t-${index}`, tags: {} });
  return stamp([...facts, ...Array.from({ length: events - facts.length }, (_, index) => change(index))]);
}

const snapshotOf = (events: InstanceEvent[], journal: JournalMark) =>
  Instance.resume({ state: fold(events), events, journal }).snapshot().events;

describe('what a workflow keeps of its facts', () => {
  const life = longLife(1_200);

  it.each([
    ['all that a journal shall still get, however long it is away', { journal: 'expected', upTo: 3 }, 4],
    ['the newest for its readers, once the journal has them', { journal: 'expected', upTo: 1_200 }, 701],
    ['the newest where there is no journal', { journal: 'none', upTo: 0 }, 701],
  ] as const)('is %s', (_what, journal, from) => {
    expect(snapshotOf(life, journal).map(({ seq }) => seq)).toEqual(life.slice(from - 1).map(({ seq }) => seq));
  });

  it('never grows beyond what a payload carries', () => {
    expect(snapshotOf(longLife(4_000), { journal: 'expected', upTo: 0 })).toHaveLength(2_500);
  });
});

describe('what an activity carries to the journal', () => {
  const life = longLife(1_200);
  const feed = new Unjournaled('a', () => life, { journal: 'expected', upTo: 3 });
  const seqs = (activityType: string) => feed.parcel(activityType).journal.events.map(({ seq }) => seq);

  it('is the oldest of what is owed, so that a journal which is away does not fill the history', () => {
    expect(seqs('lookAtInstance')).toEqual(Array.from({ length: 200 }, (_, index) => index + 4));
  });

  it('is all of it for a create: its intent is the newest', () => {
    expect(seqs('createInstance')).toHaveLength(1_197);
  });
});
