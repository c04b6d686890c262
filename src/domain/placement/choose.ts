import { ERRORS, type ErrorKind, type FailureFact } from '../errors.js';
import { type IsoTime, type OfferId, toEpochMs, toIsoTime } from '../ids.js';
import type { Attempt } from '../instance/state.js';
import { jitter } from './jitter.js';
import { type Offer, offerId } from './offer.js';

export type Choice =
  | { choice: 'try'; offer: Offer }
  /** Something may come free: not before `until`. */
  | { choice: 'wait'; until: IsoTime }
  /** Nothing is left that could work. */
  | { choice: 'give-up'; failure: FailureFact };

export interface PlacementInput {
  offers: readonly Offer[];
  /** This round's attempts, oldest first. */
  attempts: readonly Attempt[];
  now: IsoTime;
  provisionBy: IsoTime;
  maxOffers: number;
  /** When an offer was last known to have stock again: refusals before it are forgotten. */
  restocked?: Readonly<Record<OfferId, IsoTime>>;
}

/** First gap before a sold-out offer is asked again, in ms; it doubles per refusal, up to the ceiling. */
export const CAPACITY_GAP_MS = { first: 15_000, ceiling: 600_000 } as const;
export const OUTAGE_GAP_MS = { first: 30_000, ceiling: 300_000 } as const;

/** An offer whose create keeps vanishing without an answer is tried this often, after all others. */
export const INCONCLUSIVE_TRIES = 3;

/**
 * The next offer to try: the first in the caller's order that nothing blocks. Each refusal blocks the scope that the
 * error table gives it: some for this round, some (no stock, an outage) for a growing while.
 */
export function chooseOffer(input: PlacementInput): Choice {
  const { offers, attempts, now, provisionBy } = input;
  const giveUp = (why?: string): Choice => ({ choice: 'give-up', failure: summarise(offers, attempts, why) });
  if (now >= provisionBy) return giveUp('provisionWithin has passed');
  // Too fast, or refused on the memory of another's refusal: the provider said nothing about the offer. Still sold out: it
  // said nothing new, and whoever waits for stock does so until `provisionBy`.
  const counted = attempts.filter(({ failure }) => {
    return failure?.kind !== 'RateLimited' && !failure?.isRemembered && !failure?.isRepeat;
  });
  if (counted.length >= input.maxOffers) return giveUp(`maxOffers (${input.maxOffers}) attempts were made`);

  const open = offers
    .map((offer) => ({ offer, block: blockOf(offer, attempts, input.restocked), tries: inconclusive(offer, attempts) }))
    .filter(({ block, tries }) => block !== 'for-good' && tries < INCONCLUSIVE_TRIES)
    .sort((a, b) => a.tries - b.tries); // stable: the caller's order within
  const free = open.find(({ block }) => block === undefined || block <= now);
  if (free) return { choice: 'try', offer: free.offer };

  const waits = open.flatMap(({ block }) => (block && block !== 'for-good' ? [block] : [])).sort();
  const [soonest] = waits;
  if (soonest === undefined) return giveUp();
  if (soonest >= provisionBy) return { choice: 'wait', until: provisionBy };
  return { choice: 'wait', until: soonest };
}

/** Was the offer of the newest attempt sold out already, when this round last asked there? */
export function wasSoldOut(attempts: readonly Attempt[]): boolean {
  const newest = attempts.at(-1);
  return attempts.slice(0, -1).some(({ offer, failure }) => {
    const isRefusal = failure?.kind === 'InsufficientResources' && !failure.isRemembered;
    return isRefusal && newest !== undefined && offerId(offer) === offerId(newest.offer);
  });
}

type Block = IsoTime | 'for-good' | undefined;

function blockOf(offer: Offer, attempts: readonly Attempt[], restocked: PlacementInput['restocked']): Block {
  let until: IsoTime | undefined;
  for (const [index, { failure, failedAt, offer: tried, attempt }] of attempts.entries()) {
    if (!failure || !failedAt || !covers(failure.kind, tried, offer)) continue;
    if (failure.kind === 'InsufficientResources' && failedAt <= (restocked?.[offerId(offer)] ?? '')) continue;
    const gap = GAPS[failure.kind];
    if (failure.kind === 'UnknownOutcome') continue; // counted by `inconclusive`
    if (!gap) return 'for-good';
    const alike = attempts.slice(0, index).filter((earlier) => {
      if (earlier.failure?.isRemembered) return false;
      return earlier.failure?.kind === failure.kind && covers(failure.kind, earlier.offer, offer);
    }).length;
    const base = Math.min(gap.ceiling, gap.first * 2 ** alike);
    const told = failure.retryAfterMs ?? 0;
    const wait = failure.isRemembered ? told : Math.max(jitter(base, `${offerId(offer)}#${attempt}`), told);
    const next = toIsoTime(toEpochMs(failedAt) + wait);
    if (until === undefined || next > until) until = next;
  }
  return until;
}

const GAPS: Partial<Record<ErrorKind, { first: number; ceiling: number }>> = {
  InsufficientResources: CAPACITY_GAP_MS,
  ServiceUnavailable: OUTAGE_GAP_MS,
  RateLimited: OUTAGE_GAP_MS,
  NotYet: OUTAGE_GAP_MS,
  Internal: OUTAGE_GAP_MS,
};

function inconclusive(offer: Offer, attempts: readonly Attempt[]): number {
  const id = offerId(offer);
  return attempts.filter(({ failure, offer: tried }) => failure?.kind === 'UnknownOutcome' && offerId(tried) === id)
    .length;
}

/** Whether a refusal of `tried` says something about `offer`: the scope column of the error table. */
function covers(kind: ErrorKind, tried: Offer, offer: Offer): boolean {
  const sameCredential = tried.cloudCredRefId === offer.cloudCredRefId;
  switch (ERRORS[kind].scope) {
    case 'request':
      return true;
    case 'credential':
      // A rate limit says nothing about stock: the credential is waited for, not blocked.
      return sameCredential;
    case 'credential-location':
    case 'provider-location': // one credential, one provider: the nearest we can tell from an offer
      return sameCredential && tried.location === offer.location;
    default:
      return offerId(tried) === offerId(offer);
  }
}

/** What a person can act on comes first. */
const TELLING: readonly ErrorKind[] = [
  'ImageNotFound',
  'OutOfQuota',
  'Unauthenticated',
  'PermissionDenied',
  'InsufficientResources',
  'SshUnreachable',
  'InstanceFailed',
  'WaitTimeout',
  'FirewallUnverified',
];

function summarise(offers: readonly Offer[], attempts: readonly Attempt[], why?: string): FailureFact {
  const latest = new Map<string, FailureFact>();
  for (const { offer, failure } of attempts) if (failure) latest.set(offerId(offer), failure);
  const failures = [...latest.values()];
  const rank = ({ kind }: FailureFact) => (TELLING.includes(kind) ? TELLING.indexOf(kind) : TELLING.length);
  const [telling] = [...failures].sort((a, b) => rank(a) - rank(b));
  const tried = [...latest].map(([id, { kind }]) => `${id}: ${kind}`).join('; ');
  const skipped = offers.length - latest.size;
  const message = [
    why ? `No offer worked: ${why}` : 'No offer is left to try',
    tried && ` (${tried}${skipped > 0 ? `; ${skipped} skipped or not tried` : ''})`,
    telling ? `. ${telling.message}` : '',
  ].join('');
  return { ...(telling ?? { kind: 'WaitTimeout' }), message };
}
