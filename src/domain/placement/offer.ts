import type { CloudCredRefId, OfferId } from '../ids.js';
import type { Money } from '../money.js';

/** An instance type at a location, through one credential: what placement tries. */
export interface Offer {
  cloudCredRefId: CloudCredRefId;
  /** In the provider's spelling. */
  location: string;
  subLocation?: string;
  instanceType: string;
  pricePerHour?: Money;
}

export function offerId(offer: Offer): OfferId {
  const place = offer.subLocation ? `${offer.location}:${offer.subLocation}` : offer.location;
  return `${offer.cloudCredRefId}/${place}/${offer.instanceType}`;
}
