import { setTimeout as sleep } from 'node:timers/promises';

/** Looks every `everyMs` until `look` answers true. @throws {Error} after `withinMs`, with what it waited for. */
export async function until(
  what: string,
  look: () => Promise<boolean>,
  { withinMs = 900_000, everyMs = 250 }: { withinMs?: number; everyMs?: number } = {},
): Promise<void> {
  const giveUpAt = Date.now() + withinMs;
  while (!(await look())) {
    if (Date.now() > giveUpAt) throw new Error(`waited ${withinMs / 1000} s in vain for ${what}`);
    await sleep(everyMs);
  }
}
