import { describe, expect, it } from 'vitest';
import { CHECKS, CONTRACT_TIMING, chooseOffer, costOf, NoOffer, selectChecks } from '../../src/conformance/index.js';
import type { InstanceType } from '../../src/domain/provider.js';

const type = (instanceType: string, amount: string, change: Partial<InstanceType> = {}): InstanceType => ({
  id: `here-noSub-${instanceType}`,
  instanceType,
  location: 'here',
  isAvailable: true,
  pricePerHour: { amount, currency: 'USD' },
  gpus: [],
  architecture: 'x86_64',
  capabilities: [],
  ...change,
});
const SOLD = [
  type('big', '8.00'),
  type('grace', '0.10', { architecture: 'arm64' }),
  type('small', '0.50'),
  type('gone', '0.01', { isAvailable: false }),
  type('secret', '0', { pricePerHour: undefined }),
];

describe('what is rented', () => {
  it.each([
    ['the cheapest x86_64 type in stock', {}, 'small'],
    ['the type that was asked for', { instanceType: 'big' }, 'big'],
    ['another architecture, if nothing else fits', { maxPricePerHour: '0.20' }, 'grace'],
  ])('is %s', (_what, wanted, expected) => {
    expect(chooseOffer(SOLD, wanted).instanceType).toBe(expected);
  });

  it.each([
    ['is sold out', { instanceType: 'gone' }],
    ['is not sold there', { location: 'elsewhere' }],
    ['costs more', { instanceType: 'big', maxPricePerHour: '7.99' }],
    ['has no price, where there is a limit', { instanceType: 'secret', maxPricePerHour: '99' }],
  ])('is never what %s', (_what, wanted) => {
    expect(() => chooseOffer(SOLD, wanted)).toThrow(NoOffer);
  });

  it('costs at least an hour of two machines, if all takes as long as it may', () => {
    const { most } = costOf(type('small', '0.50'), { ...CONTRACT_TIMING, ...noWaits() });
    expect(most).toEqual({ amount: '1.00', currency: 'USD' });
  });
});

const noWaits = () => Object.fromEntries(Object.keys(CONTRACT_TIMING).map((name) => [name, 0]));

describe('checks', () => {
  it('have ids that are short, of one form, and there once', () => {
    const ids = CHECKS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z0-9]+(?:\.[a-z]+(?:-[a-z]+)*)?$/);
    expect(Math.max(...ids.map(({ length }) => length))).toBeLessThanOrEqual(20);
  });

  it('are chosen by id or by group, in their own order', () => {
    const idsOf = (choice: Parameters<typeof selectChecks>[0]) => selectChecks(choice).map(({ id }) => id);
    expect(idsOf({ only: ['stop', 'locations'] })).toEqual(['locations', 'stop.waits']);
    expect(idsOf({ skip: ['k8s'] })).toEqual(CHECKS.map(({ id }) => id).filter((id) => !id.startsWith('k8s.')));
  });

  it('that do not exist are refused, not ignored', () => {
    expect(() => selectChecks({ skip: ['firewall.sut'] })).toThrow(/firewall\.sut/);
  });
});
