import { describe, expect, it } from 'vitest';
import { fold, type InstanceFact, toView } from '../../src/domain/instance/index.js';
import { why } from '../../src/domain/instance/why.js';
import { later, START, stamped } from '../support/given.js';
import {
  attempted,
  created,
  debtOpened,
  failure,
  offerB,
  parkedFor,
  requested,
  SITUATIONS,
  strayFound,
} from './stories.js';

function tell(facts: readonly InstanceFact[], now?: string): string {
  const events = stamped(facts);
  return why(toView(fold(events)), events, now);
}

const NOW = '2026-03-01T14:03:00.000Z';

describe('why', () => {
  it('tells a person what failed, what it costs and what to do', () => {
    const quota = {
      ...failure('OutOfQuota', 'Quota of 8 GPUs reached.'),
      providerCode: 'quota',
      httpStatus: 400,
      requestId: 'req-9',
    };
    const text = tell(
      [
        requested(),
        attempted(),
        { type: 'CapacityRefused', attempt: 1, failure: failure('InsufficientResources') },
        attempted(2, offerB),
        { type: 'QuotaRefused', attempt: 2, failure: quota },
        { type: 'InstanceParked', failure: quota, reason: 'every offer was tried' },
      ],
      NOW,
    );
    expect(text).toBe(
      'trainer-1 (ref-1) failed and is parked for 2h 2m (since 2026-03-01 12:00 UTC); no machine of it is in use. ' +
        '2 attempts failed in 3.0s: gpu_1x_a10 in us-west-1 had no stock; gpu_1x_a10 in us-east-1 is over the account’s quota or funds. ' +
        'The last error is OutOfQuota — the account is at its limit, or out of funds, in this location. ' +
        'It says: “Quota of 8 GPUs reached” (code quota, HTTP 400, request id req-9 for the provider’s support desk). ' +
        'What to do: raise the quota or top up the account at the provider, then slipway retry ref-1; or give it up with slipway terminate ref-1.',
    );
  });

  it('says what may still bill, for how long, at what price, and how a person ends it', () => {
    const debt = { ...debtOpened(), pricePerHour: { amount: '1.29', currency: 'USD' } } as InstanceFact;
    const text = tell([...SITUATIONS.terminating, debt, strayFound()], NOW);
    expect(text).toContain(
      'maybe billing at over 1.29 USD an hour: m-1 (could not be deleted, for 2h 2m), m-9 (turned up late, for 2h 2m).',
    );
    expect(text).toContain('They are tried again for ever.');
    expect(text).toContain('slipway release ref-1 --cloud-id … --reason …');
    expect(text).toContain('should have been gone by 2026-03-01 12:20 UTC');
  });

  it('says that a create is looked for, and once that fails for long, how a person ends it', () => {
    const unknown = SITUATIONS['creating, outcome unknown'];
    const soon = tell(unknown, later(START, 60_000));
    expect(soon).toContain('Whether attempt 1 made a machine, and one that bills, has been unknown for 58s');
    expect(soon).toContain('Nothing needs doing yet');
    const long = tell(unknown, NOW);
    expect(long).toContain('see that the credential sim-main may list its account, then slipway retry ref-1');
    expect(long).toContain('slipway release ref-1 --attempt 1 --reason …');
    const owing = tell([...unknown, debtOpened('m-9')], NOW);
    expect(owing).toContain('slipway release ref-1 --cloud-id … --reason …');
  });

  it('says of a create that was released that a person did it', () => {
    const released: InstanceFact = { type: 'CreateReleased', attempt: 1, reason: 'x', requestId: 'r' };
    expect(tell([...SITUATIONS['creating, outcome unknown'], released], NOW)).toContain(
      'gpu_1x_a10 in us-west-1 lost the answer, and a person let it go',
    );
  });

  it('says who wanted it so, or that nobody here did', () => {
    const ended: InstanceFact = { type: 'TerminateRequested', requestId: 'r', actor: 'ann', reason: 'too dear' };
    const text = tell([...SITUATIONS.ready, ended, { type: 'TerminationBegan', cloudId: 'm-1' }], NOW);
    expect(text).toContain('ann asked for it at 2026-03-01 12:00 UTC (TerminateRequested), saying “too dear”.');
    const outside = tell([...SITUATIONS.ready, { type: 'StoppedOutside', status: 'stopped' }], NOW);
    expect(outside).toContain('The provider showed it stopped');
    expect(outside).toContain('nobody here had asked for that');
  });

  it('names a kept machine, and that it bills', () => {
    expect(tell(SITUATIONS['parked with its machine'], NOW)).toContain(
      'm-1 at sim us-west-1 gpu_1x_a10 is kept for a person to look at and bills 1.29 USD an hour.',
    );
  });

  it('keeps a long story short', () => {
    const offers = Array.from({ length: 7 }, (_, index) => ({ ...offerB, location: `place-${index}` }));
    const tried = offers.flatMap((offer, index): InstanceFact[] => [
      attempted(index + 1, offer),
      { type: 'CapacityRefused', attempt: index + 1, failure: failure('InsufficientResources') },
    ]);
    const text = tell([requested(), ...tried, parkedFor('InsufficientResources')]);
    expect(text).toContain('7 attempts failed');
    expect(text).toContain('place-6 had no stock, and 3 other offers before.');
    expect(text).not.toContain('place-2');
  });

  it.each(Object.entries(SITUATIONS))('is one paragraph of whole sentences when %s', (_name, facts) => {
    const text = tell(facts, NOW);
    expect(text).toMatch(/^trainer-1 \(ref-1\) .*\.$/);
    expect(text).not.toMatch(/\n|undefined|null|\[object|NaN| {2}|\.\./);
    expect(tell(facts)).toBe(tell(facts));
  });

  it('needs no events, only the view', () => {
    expect(why(toView(fold(stamped([requested(), attempted(), created()]))), [])).toContain('is pending since');
  });
});
