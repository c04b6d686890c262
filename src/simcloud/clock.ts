/**
 * The time simcloud lives by: real time, which tests may push forward.
 *
 * Whatever happens later goes through here, so that `advance` meets it in order of its due time, each callback
 * seeing the clock at the moment it was planned for.
 */
export interface Timer {
  cancel(): void;
}

interface Entry {
  dueAt: number;
  run: () => void | Promise<void>;
}

/** setTimeout takes no more than 2^31 - 1 ms; a longer wait is taken in stages. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1;

export class SimClock {
  /** Sorted by due time; equal times keep the order in which they were planned. */
  readonly #entries: Entry[] = [];
  #offsetMs: number;
  #sleep: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(offsetMs = 0) {
    this.#offsetMs = offsetMs;
  }

  /** How far this clock is ahead of the real one, in milliseconds. */
  get offsetMs(): number {
    return this.#offsetMs;
  }

  /** Milliseconds since 1970. */
  now(): number {
    return Date.now() + this.#offsetMs;
  }

  after(ms: number, run: Entry['run']): Timer {
    return this.at(this.now() + ms, run);
  }

  /** A time in the past means: as soon as possible, never within this call. */
  at(dueAt: number, run: Entry['run']): Timer {
    const entry: Entry = { dueAt, run };
    this.#insert(entry);
    this.#arm();
    return {
      cancel: () => {
        const index = this.#entries.indexOf(entry);
        if (index >= 0) this.#entries.splice(index, 1);
      },
    };
  }

  /** Resolves when that much simulated time has passed; never, if the clock is stopped before. */
  wait(ms: number): Promise<void> {
    return ms <= 0 ? Promise.resolve() : new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Lets `ms` pass at once; resolves when everything that was due in between has been done. */
  async advance(ms: number): Promise<void> {
    const target = this.now() + ms;
    for (let next = this.#entries[0]; next && next.dueAt <= target && !this.#stopped; next = this.#entries[0]) {
      this.#entries.shift();
      this.#offsetMs += Math.max(0, next.dueAt - this.now());
      await next.run();
    }
    this.#offsetMs += Math.max(0, target - this.now());
    this.#arm();
  }

  /** Forgets everything planned; nothing runs any more. */
  stop(): void {
    this.#stopped = true;
    this.#entries.length = 0;
    clearTimeout(this.#sleep);
  }

  #insert(entry: Entry): void {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#entries[middle];
      if (other && other.dueAt <= entry.dueAt) low = middle + 1;
      else high = middle;
    }
    this.#entries.splice(low, 0, entry);
  }

  #arm(): void {
    clearTimeout(this.#sleep);
    const next = this.#entries[0];
    if (!next || this.#stopped) return;
    const ms = Math.min(Math.max(0, next.dueAt - this.now()), LONGEST_SLEEP_MS);
    this.#sleep = setTimeout(() => this.#runDue(), ms);
  }

  #runDue(): void {
    for (let next = this.#entries[0]; next && next.dueAt <= this.now(); next = this.#entries[0]) {
      this.#entries.shift();
      // A rejection is a bug of ours: it stays unhandled, and so ends the process loudly.
      void next.run();
    }
    this.#arm();
  }
}
