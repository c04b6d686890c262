import { setTimeout as sleep } from 'node:timers/promises';
import type { CloudInstance, Provider } from '../domain/provider.js';

/** One complete listing. */
export interface Listing {
  /** When the provider was asked, epoch ms: what it shows is no older. */
  startedAt: number;
  instances: readonly CloudInstance[];
}

/** A large account's listing costs CPU, here and there: no more than this part of the time is spent on it. */
const LISTING_SHARE = 1 / 2;
/** … but never so rarely that a watcher would be taken for dead, which is after three intervals (`provider.ts`). */
const MOST_INTERVALS = 2.5;

/** From the beginning of one listing to that of the next, in ms, where one takes `tookMs`. */
export function listingGap(tookMs: number, pollIntervalMs: number): number {
  return Math.max(pollIntervalMs, Math.min(tookMs / LISTING_SHARE, MOST_INTERVALS * pollIntervalMs));
}

/**
 * Listings of one account, shared by everybody in this process who looks: a hundred waiters cost one call.
 * Calls start no closer together than the provider's fastest allowed interval, and leave as long a pause as one takes.
 */
export class SharedListing {
  private latest: Listing | undefined;
  private running: { startedAt: number; listing: Promise<Listing> } | undefined;
  private lastStart = 0;
  private lastTook = 0;

  constructor(private readonly provider: Provider) {}

  /** The newest complete listing of this process, if it was started at `since` or later. */
  peek(since: number): Listing | undefined {
    return this.latest && this.latest.startedAt >= since ? this.latest : undefined;
  }

  /** A complete listing that was started at `since` (epoch ms) or later. @throws {ProviderError} */
  async since(since: number, signal: AbortSignal): Promise<Listing> {
    for (;;) {
      signal.throwIfAborted();
      const known = this.peek(since);
      if (known) return known;
      const joined = this.running;
      if (joined && joined.startedAt >= since) return await abortable(joined.listing, signal);
      if (joined) await abortable(joined.listing, signal).catch(() => signal.throwIfAborted());
      else await this.pause(signal);
      if (!this.running && !this.peek(since)) this.start();
    }
  }

  private async pause(signal: AbortSignal): Promise<void> {
    const wait = this.lastStart + listingGap(this.lastTook, this.provider.limits.pollIntervalMs) - Date.now();
    if (wait > 0) await sleep(wait, undefined, { signal });
  }

  /** The call itself is nobody's to abort: others wait for it too. It has the adapter's own timeout. */
  private start(): void {
    const startedAt = Date.now();
    this.lastStart = startedAt;
    const listing = this.provider
      .listInstances(new AbortController().signal)
      .then((instances) => {
        this.latest = { startedAt, instances };
        return this.latest;
      })
      .finally(() => {
        this.lastTook = Date.now() - startedAt;
        this.running = undefined;
      });
    listing.catch(() => undefined); // whoever waits gets the error
    this.running = { startedAt, listing };
  }
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
