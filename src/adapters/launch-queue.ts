import type { CreateOutcome } from '../domain/provider.js';

/** A create that would wait longer for its turn is told to come back, in ms: its activity would be taken for dead. */
const LONGEST_WAIT_MS = 60_000;

/**
 * Keeps the queue before a vendor's create limit short. An activity that waits too long for its turn is taken for dead,
 * and its create for unknown; so whoever would is refused as RateLimited, before anything is sent. That is no attempt.
 */
export class LaunchQueue {
  #inside = 0;

  constructor(
    private readonly provider: string,
    private readonly createsPerMinute: number | undefined,
  ) {}

  async run(create: () => Promise<CreateOutcome>): Promise<CreateOutcome> {
    const waitMs = this.createsPerMinute ? (this.#inside * 60_000) / this.createsPerMinute : 0;
    if (waitMs > LONGEST_WAIT_MS) return { outcome: 'refused', failure: this.#crowded() };
    this.#inside += 1;
    try {
      return await create();
    } finally {
      this.#inside -= 1;
    }
  }

  #crowded() {
    const message = `${this.provider}: ${this.#inside} creates wait for their turn at ${this.createsPerMinute} a minute.`;
    const retryAfterMs = LONGEST_WAIT_MS / 2;
    return { kind: 'RateLimited', operation: 'createInstance', message, retryAfterMs } as const;
  }
}
