import type { OfferId } from '../ids.js';
import { CAPACITY_GAP_MS } from './choose.js';
import { jitter } from './jitter.js';

/** What is known of one sold-out offer. Times are epoch ms. */
export interface Refusal {
  /** In a row. */
  count: number;
  untilMs: number;
  /** Who is asking the provider again, and since when. */
  probe?: { refId: string; atMs: number };
}

/** By offer: those that were sold out when somebody last asked. */
export type Refusals = Record<OfferId, Refusal>;

/** What was refused so long ago says nothing any more, in ms. */
export const FORGET_AFTER_MS = 3_600_000;

/** Is it still worth remembering? */
export function stands({ untilMs }: Refusal, nowMs: number): boolean {
  return nowMs - untilMs <= FORGET_AFTER_MS;
}

export function isBlocked(refusal: Refusal, nowMs: number): boolean {
  return nowMs < refusal.untilMs;
}

/** One more refusal: the gap doubles, up to the ceiling. */
export function refuse(earlier: Refusal | undefined, offer: OfferId, nowMs: number): Refusal {
  const count = (earlier?.count ?? 0) + 1;
  const gap = Math.min(CAPACITY_GAP_MS.ceiling, CAPACITY_GAP_MS.first * 2 ** Math.min(count - 1, 20));
  return { count, untilMs: nowMs + jitter(gap, `${offer}#${count}`) };
}

/** How long a probe counts as under way, in ms: its process may have died. */
export const PROBE_MS = 90_000;

/** Lets one request through, once the offer's time is over and nobody else asks. */
export function claimProbe(refusal: Refusal | undefined, refId: string, nowMs: number): boolean {
  if (!refusal) return true;
  if (isBlocked(refusal, nowMs)) return false;
  return !refusal.probe || refusal.probe.refId === refId || nowMs - refusal.probe.atMs > PROBE_MS;
}
