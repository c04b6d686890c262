import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatMs, parseDuration, toMs } from '../../src/domain/duration.js';
import {
  attemptKey,
  instanceWorkflowId,
  isCloudCredRefId,
  isRefId,
  toEpochMs,
  toIsoTime,
} from '../../src/domain/ids.js';
import { costOver, fromMicros, isMoney, type Money, toMicros } from '../../src/domain/money.js';
import { isSize, SIZE_UNITS, type SizeUnit, toBytes, toUnit } from '../../src/domain/size.js';

describe('money', () => {
  const prices = fc
    .tuple(fc.nat(999_999), fc.nat(999_999))
    .map(([whole, micros]): Money => ({ amount: `${whole}.${String(micros).padStart(6, '0')}`, currency: 'USD' }));

  it('loses nothing on the way to millionths and back', () =>
    fc.assert(
      fc.property(prices, (price) => {
        const again = fromMicros(toMicros(price), price.currency);
        expect(toMicros(again)).toBe(toMicros(price));
        expect(isMoney(again)).toBe(true);
      }),
    ));

  it.each([
    ['1.29', 1_290_000],
    ['0', 0],
    ['32.00', 32_000_000],
    ['0.000001', 1],
    ['999999999.999999', 999_999_999_999_999],
  ])('%s is %s millionths', (amount, micros) => expect(toMicros({ amount, currency: 'USD' })).toBe(micros));

  it('is written with at least two decimals', () => {
    expect(fromMicros(1_500_000, 'USD')).toEqual({ amount: '1.50', currency: 'USD' });
    expect(fromMicros(0, 'EUR')).toEqual({ amount: '0.00', currency: 'EUR' });
    expect(fromMicros(1, 'EUR')).toEqual({ amount: '0.000001', currency: 'EUR' });
  });

  it('adds up over time: the parts of an hour cost what the hour costs, to a millionth each', () =>
    fc.assert(
      fc.property(prices, fc.integer({ min: 1, max: 3_599_999 }), (price, ms) => {
        const parts = toMicros(costOver(price, ms)) + toMicros(costOver(price, 3_600_000 - ms));
        expect(Math.abs(parts - toMicros(price))).toBeLessThanOrEqual(1);
      }),
    ));

  it.each([null, 'x', 1.29, {}, { amount: 1.29, currency: 'USD' }, { amount: '1,29', currency: 'USD' }])(
    'is not %j',
    (value) => expect(isMoney(value)).toBe(false),
  );
  it.each(['usd', '$', '', 'USDT'])('has no currency %j', (currency) =>
    expect(isMoney({ amount: '1', currency })).toBe(false),
  );
  it.each(['-1', '1.', '.5', '1e3', '1.1234567', ' 1', ''])('has no amount %j', (amount) =>
    expect(isMoney({ amount, currency: 'USD' })).toBe(false),
  );
});

describe('size', () => {
  const units = Object.keys(SIZE_UNITS) as SizeUnit[];
  const sizes = fc.record({ value: fc.integer({ min: 1, max: 4_000 }), unit: fc.constantFrom(...units) });

  it('is never made larger by another unit: it truncates toward zero', () =>
    fc.assert(
      fc.property(sizes, fc.constantFrom(...units), (size, unit) => {
        const other = toUnit(size, unit);
        expect(other.unit).toBe(unit);
        expect(toBytes(other)).toBeLessThanOrEqual(toBytes(size));
        expect(toBytes(size) - toBytes(other)).toBeLessThan(SIZE_UNITS[unit]);
      }),
    ));

  it('keeps its own unit as it is', () =>
    fc.assert(
      fc.property(sizes, (size) => {
        expect(toUnit(size, size.unit)).toEqual(size);
      }),
    ));

  it.each([
    [{ value: 1, unit: 'GiB' }, 1_073_741_824],
    [{ value: 1, unit: 'GB' }, 1_000_000_000],
    [{ value: 1.5, unit: 'KiB' }, 1_536],
  ] as const)('%j is %s bytes', (size, bytes) => expect(toBytes(size)).toBe(bytes));

  it.each([
    null,
    200,
    '200GiB',
    {},
    { value: 0, unit: 'GiB' },
    { value: -1, unit: 'GiB' },
    { value: Number.NaN, unit: 'GiB' },
    { value: Number.POSITIVE_INFINITY, unit: 'GiB' },
    { value: '200', unit: 'GiB' },
    { value: 200, unit: 'gib' },
    { value: 200, unit: 'toString' },
    { value: 200 },
  ])('is not %j', (value) => expect(isSize(value)).toBe(false));
});

describe('duration', () => {
  it.each([
    ['90s', 90_000],
    ['20m', 1_200_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
    ['0ms', 0],
  ])('%s is %s ms', (text, ms) => expect(toMs(text)).toBe(ms));

  it.each(['', '20', 'm', '1.5h', '-1s', '1h30m', ' 1s', '1 s', '1S', '1w', '9999999999s', 20, null, undefined, {}])(
    'is not %j',
    (text) => expect(parseDuration(text)).toBeUndefined(),
  );

  it('that is none is an error of the caller', () => expect(() => toMs('soon')).toThrow(RangeError));

  it.each([
    [-5, '0.0s'],
    [300, '0.3s'],
    [12_000, '12s'],
    [59_999, '1m'],
    [90_000, '1m 30s'],
    [3_600_000, '1h'],
    [3_840_000, '1h 4m'],
    [90_000_000, '1d 1h'],
  ])('%s ms reads %s', (ms, text) => expect(formatMs(ms)).toBe(text));
});

describe('ids', () => {
  const inner = fc.stringMatching(/^[A-Za-z0-9-]{0,61}$/);
  const edge = fc.stringMatching(/^[A-Za-z0-9]$/);

  it('a refId is 1 to 63 letters, digits and inner "-"', () =>
    fc.assert(fc.property(edge, inner, edge, (a, middle, z) => isRefId(a) && isRefId(`${a}${middle}${z}`))));

  it.each(['', '-a', 'a-', 'a_b', 'a.b', 'a b', 'ä', 'a/b', 'a\n', 'x'.repeat(64), 7, null, undefined, ['a']])(
    '%j is no refId',
    (value) => expect(isRefId(value)).toBe(false),
  );

  it('a credential’s name may have inner dots and underscores too', () => {
    expect(isCloudCredRefId('lambda.main_2-b')).toBe(true);
    expect(isCloudCredRefId('.main')).toBe(false);
    expect(isCloudCredRefId('a/b')).toBe(false);
  });

  it('no two attempts of any two instances share a key', () => {
    const refIds = fc.tuple(edge, inner, edge).map((parts) => parts.join(''));
    fc.assert(
      fc.property(refIds, refIds, fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 99 }), (a, b, n, m) => {
        fc.pre(a !== b || n !== m);
        return attemptKey(a, n) !== attemptKey(b, m);
      }),
    );
  });

  it('one refId has one workflow', () => expect(instanceWorkflowId('a-1')).toBe('instance/a-1'));

  it('a moment survives the way to text and back, and text sorts as time does', () =>
    fc.assert(
      fc.property(fc.nat(4_102_444_800_000), fc.nat(4_102_444_800_000), (a, b) => {
        expect(toEpochMs(toIsoTime(a))).toBe(a);
        expect(toIsoTime(a) < toIsoTime(b)).toBe(a < b);
      }),
    ));
});
