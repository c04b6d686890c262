import { setTimeout as sleep } from 'node:timers/promises';

/** What `work` brings if it does so within `ms`, else `undefined`. Work that is late goes on unheard, whatever comes of it. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const enough = new AbortController();
  const tooLate = sleep(ms, undefined, { signal: enough.signal }).catch(() => undefined);
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    enough.abort();
  }
}
