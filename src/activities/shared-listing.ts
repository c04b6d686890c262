import { setTimeout as sleep } from 'node:timers/promises';
import type { CloudInstance, Provider } from '../domain/provider.js';

/** One complete listing. */
export interface Listing {
  /** When the provider was asked, epoch ms: what it shows is no older. */
  startedAt: number;
  instances: readonly CloudInstance[];
}

/**
 * Listings of one account, shared by everybody in this process who looks: a hundred waiters cost one call.
 * Calls start no closer together than the provider's fastest allowed interval.
 */
export class SharedListing {
  private latest: Listing | undefined;
  private running: { startedAt: number; listing: Promise<Listing> } | undefined;
  private lastStart = 0;

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
    const wait = this.lastStart + this.provider.limits.pollIntervalMs - Date.now();
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
