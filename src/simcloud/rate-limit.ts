import { CloudError } from './errors.js';

export interface RateLimitOptions {
  /** All calls of one account; up to this many may come at once. */
  requestsPerSecond?: number;
  /** Creates of one account, besides. */
  createsPerMinute?: number;
  /** How many calls may come at once after a pause. Default: one period's worth. 1 is "evenly spaced, or else". */
  burst?: number;
  /** Whether a refusal says how long to wait. Default true. */
  tellsRetryAfter?: boolean;
}

/** A token bucket. */
class Bucket {
  #tokens: number;
  #filledAt: number;

  constructor(
    private readonly perPeriod: number,
    private readonly periodMs: number,
    private readonly size: number,
    now: number,
  ) {
    this.#tokens = size;
    this.#filledAt = now;
  }

  /** Takes one; or returns how many milliseconds until there will be one. */
  take(now: number): number {
    const fresh = ((now - this.#filledAt) / this.periodMs) * this.perPeriod;
    this.#tokens = Math.min(this.size, this.#tokens + fresh);
    this.#filledAt = now;
    if (this.#tokens < 1) return ((1 - this.#tokens) / this.perPeriod) * this.periodMs;
    this.#tokens -= 1;
    return 0;
  }
}

/** One account's buckets do not touch another's. */
export class RateLimit {
  readonly #buckets = new Map<string, Bucket>();

  constructor(
    private readonly options: RateLimitOptions,
    private readonly now: () => number,
  ) {}

  /** @throws {CloudError} `rate.limited` */
  check(account: string, isCreate: boolean): void {
    const { requestsPerSecond, createsPerMinute } = this.options;
    if (requestsPerSecond) this.#take(`${account} requests`, requestsPerSecond, 1_000);
    if (createsPerMinute && isCreate) this.#take(`${account} creates`, createsPerMinute, 60_000);
  }

  #take(name: string, perPeriod: number, periodMs: number): void {
    let bucket = this.#buckets.get(name);
    if (!bucket) {
      bucket = new Bucket(perPeriod, periodMs, Math.max(1, this.options.burst ?? perPeriod), this.now());
      this.#buckets.set(name, bucket);
    }
    const waitMs = bucket.take(this.now());
    if (waitMs > 0) throw rateLimited((this.options.tellsRetryAfter ?? true) ? Math.ceil(waitMs / 1_000) : undefined);
  }
}

export function rateLimited(retryAfterSeconds: number | undefined): CloudError {
  return new CloudError('rate.limited', 'too many requests', { retryAfterSeconds });
}
