import PQueue from 'p-queue';

/** Who goes first when requests of one account must wait: an end saves money, a listing can be late. */
export const PRIORITY = { end: 3, provision: 2, read: 1, catalog: 0 } as const;
export type Priority = keyof typeof PRIORITY;

export interface RateLimits {
  /** Absent: as fast as they come. */
  requestsPerSecond?: number;
  createsPerMinute?: number;
}

export interface Turn {
  priority: Priority;
  /** Creates pass a gate of their own first. */
  isCreate?: boolean;
  /** Leaves the queue at once; what has begun is the task's own business. */
  signal: AbortSignal;
}

/** The caller gave up while its request still waited here: the provider never heard of it. */
export class LeftQueue extends Error {
  override readonly name = 'LeftQueue';
}

/** What counts is when requests arrive, and the network and a busy machine bunch them: keep a tenth below the limit. */
const MARGIN = 1.1;
const DEFAULT_CONCURRENCY = 32;
/** A provider that says "in an hour" may be right about creates; machines still have to be ended. */
const LONGEST_PAUSE_MS = 60_000;
const DEFAULT_PAUSE_MS = 1_000;

/**
 * Lets the requests of one credential through, in order of priority and no faster than its provider allows.
 *
 * Requests are spaced evenly instead of sent in bursts, so that no window a provider may count in holds too many.
 * This holds within one process; the server-side task-queue limit holds between workers.
 */
export class RateLimiter {
  readonly #requests: Gate;
  readonly #creates: Gate;

  constructor({ requestsPerSecond, createsPerMinute }: RateLimits) {
    this.#requests = new Gate(requestsPerSecond ? (1_000 / requestsPerSecond) * MARGIN : 0);
    this.#creates = new Gate(createsPerMinute ? (60_000 / createsPerMinute) * MARGIN : 0);
  }

  /** Runs the task when it is its turn. @throws {LeftQueue} when the signal aborts before. */
  run<T>(task: () => Promise<T>, { priority, isCreate, signal }: Turn): Promise<T> {
    const enter = (sent: () => void): Promise<T> => {
      const send = (begun: () => void): Promise<T> => {
        begun();
        sent();
        return task();
      };
      return this.#requests.pass(send, PRIORITY[priority], signal);
    };
    // The time to the next create counts from when this one is sent, not from when it began to wait for that.
    return isCreate ? this.#creates.pass(enter, PRIORITY[priority], signal) : enter(() => undefined);
  }

  /** After a 429. One that met a create may be about creates only: terminations still go. */
  pause(retryAfterMs: number | undefined, isCreate: boolean): void {
    const pauseMs = Math.min(retryAfterMs ?? DEFAULT_PAUSE_MS, LONGEST_PAUSE_MS);
    this.#creates.close(pauseMs);
    if (!isCreate) this.#requests.close(pauseMs);
  }
}

/*
 * p-queue's own `interval` is not used: when its queue runs empty within an interval it forgets the last start, and the
 * next request follows at once (8.1.1, `#tryToStartAnother`). Here each turn keeps the gate shut for the gap instead,
 * and the choice who is next falls when it opens, so that a termination overtakes all that wait.
 */
class Gate {
  readonly #queue: PQueue;
  #closedUntil = 0;
  #opening: NodeJS.Timeout | undefined;
  #gap: NodeJS.Timeout | undefined;

  constructor(private readonly gapMs: number) {
    this.#queue = new PQueue({ concurrency: gapMs > 0 ? 1 : DEFAULT_CONCURRENCY });
  }

  /** @param task says when its request is sent, if that is later than when it began: the gap counts from then. */
  pass<T>(task: (sent: () => void) => Promise<T>, priority: number, signal: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal.aborted) return reject(new LeftQueue('cancelled before it was sent'));
      // A controller of our own: the caller's signal may live for weeks, and p-queue never takes its listener back.
      const place = new AbortController();
      const leave = (): void => {
        place.abort();
        reject(new LeftQueue('cancelled while it waited for its turn'));
      };
      const begin = async (): Promise<void> => {
        signal.removeEventListener('abort', leave);
        let sent: () => void = () => undefined;
        const isSent = new Promise<void>((resolveSent) => {
          sent = resolveSent;
        });
        const done = task(sent).then(resolve, reject);
        if (this.gapMs === 0) return done;
        await Promise.race([isSent, done]);
        await new Promise<void>((open) => {
          this.#gap = setTimeout(open, this.gapMs);
          if (this.#queue.size === 0) this.#gap.unref();
        });
      };
      signal.addEventListener('abort', leave, { once: true });
      // It only rejects for who left, and they know.
      this.#queue.add(begin, { priority, signal: place.signal }).catch(() => undefined);
      // Nobody's last request keeps a process alive; a waiting one does.
      if (this.#queue.size > 0) {
        this.#gap?.ref();
        this.#opening?.ref();
      }
    });
  }

  close(pauseMs: number): void {
    const until = Date.now() + pauseMs;
    if (until <= this.#closedUntil) return;
    this.#closedUntil = until;
    this.#queue.pause();
    clearTimeout(this.#opening);
    this.#opening = setTimeout(() => this.#queue.start(), pauseMs);
    if (this.#queue.size === 0) this.#opening.unref();
  }
}
