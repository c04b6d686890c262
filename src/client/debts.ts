import type { CloudId, IsoTime, RefId } from '../domain/ids.js';
import { toEpochMs } from '../domain/ids.js';
import type { Debt, InstanceView } from '../domain/instance/index.js';
import { costOver, type Money } from '../domain/money.js';
import { type Offer, offerId } from '../domain/placement/offer.js';

/** Something of ours that may bill and is not proved gone. */
export interface CleanupDebt {
  refId: RefId;
  cloudId: CloudId;
  /** `stray`: arrived late. `undeleted`: deleting it failed for longer than the policy allows. */
  cause: Debt['cause'];
  since: IsoTime;
  offer: Offer;
  offerId: string;
  /** Absent where the provider told no price. */
  pricePerHour?: Money;
  /** Since it became a debt, at that price. */
  costSoFar?: Money;
  /** The last refusal, in words. */
  reason?: string;
}

export function debtsOf(view: InstanceView, now: number): CleanupDebt[] {
  return view.cleanupDebt.map(({ cloudId, cause, since, offer, pricePerHour, failure }) => ({
    refId: view.refId,
    cloudId,
    cause,
    since,
    offer,
    offerId: offerId(offer),
    ...(pricePerHour && { pricePerHour, costSoFar: costOver(pricePerHour, Math.max(0, now - toEpochMs(since))) }),
    ...(failure && { reason: `${failure.kind}: ${failure.message}` }),
  }));
}
