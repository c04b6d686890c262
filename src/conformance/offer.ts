import { toMicros } from '../domain/money.js';
import type { InstanceType } from '../domain/provider.js';

/** What the person who started it wants to rent. */
export interface Wanted {
  location?: string;
  instanceType?: string;
  /** For an hour, in the provider's currency. */
  maxPricePerHour?: string;
}

/** Nothing fits. The message says what is sold. */
export class NoOffer extends Error {
  override readonly name = 'NoOffer';
}

/** The cheapest type in stock that fits; x86_64 before others, as most images are. @throws {NoOffer} */
export function chooseOffer(types: readonly InstanceType[], wanted: Wanted): InstanceType {
  const { location, instanceType, maxPricePerHour } = wanted;
  const isWanted = (type: InstanceType): boolean =>
    (location === undefined || type.location === location) &&
    (instanceType === undefined || type.instanceType === instanceType) &&
    (maxPricePerHour === undefined || priceOf(type) <= toMicros({ amount: maxPricePerHour, currency: '' }));
  const wantedTypes = types.filter(isWanted);
  const [best] = wantedTypes.filter(({ isAvailable }) => isAvailable).sort(byPreference);
  if (best) return best;
  const words = [
    location && `at ${location}`,
    instanceType,
    maxPricePerHour && `for at most ${maxPricePerHour} an hour`,
  ];
  const asked = words.filter(Boolean).join(', ') || 'at all';
  if (wantedTypes.length > 0) throw new NoOffer(`Nothing is in stock ${asked}: ${namesOf(wantedTypes)} are sold out.`);
  throw new NoOffer(`Nothing is sold ${asked}; there is ${namesOf(types) || 'nothing'}.`);
}

/** Of two prices that are named, in one currency: what is not named may be anything. */
export function isNoDearer({ pricePerHour: one }: InstanceType, { pricePerHour: than }: InstanceType): boolean {
  return one?.currency !== undefined && one.currency === than?.currency && toMicros(one) <= toMicros(than);
}

function byPreference(a: InstanceType, b: InstanceType): number {
  const oddness = ({ architecture }: InstanceType): number => Number(architecture !== 'x86_64');
  return oddness(a) - oddness(b) || priceOf(a) - priceOf(b) || (a.id < b.id ? -1 : 1);
}

/** A type without a price may cost anything. */
function priceOf({ pricePerHour }: InstanceType): number {
  return pricePerHour ? toMicros(pricePerHour) : Number.POSITIVE_INFINITY;
}

function namesOf(types: readonly InstanceType[]): string {
  const names = [...new Set(types.map((type) => `${type.location}/${type.instanceType}`))];
  return names.length > 12 ? `${names.slice(0, 12).join(', ')} and ${names.length - 12} more` : names.join(', ');
}
