import { setTimeout as delay } from 'node:timers/promises';

export interface UntilOptions {
  /** Completes "… was not ready within 30 s". */
  what: string;
  withinMs: number;
  everyMs: number;
  /** Ends the waiting early, with the signal's reason. */
  signal?: AbortSignal;
}

/** Asks until the answer is yes. A condition that throws ends the waiting: it decides what is worth another try. */
export async function until(condition: () => Promise<boolean>, options: UntilOptions): Promise<void> {
  const { what, withinMs, everyMs, signal } = options;
  const deadline = Date.now() + withinMs;
  for (;;) {
    signal?.throwIfAborted();
    if (await condition()) return;
    if (Date.now() > deadline) throw new Error(`${what} was not ready within ${withinMs / 1000} s`);
    await delay(everyMs);
  }
}
