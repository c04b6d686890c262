/** The reason of a signal whose time ran out, against one that the caller aborted. */
export const TIME_IS_UP = Symbol('time is up');

/** Runs `work` with a signal that fires after `ms` (reason `TIME_IS_UP`), or when the caller's does, with its reason. */
export async function bounded<T>(
  ms: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer?.throwIfAborted();
  // Not AbortSignal.any: on Node 20 a long-lived outer signal keeps every one that was ever made of it.
  const inner = new AbortController();
  const timer = setTimeout(() => inner.abort(TIME_IS_UP), Math.max(0, ms));
  const forward = (): void => inner.abort(outer?.reason);
  outer?.addEventListener('abort', forward, { once: true });
  try {
    return await work(inner.signal);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', forward);
  }
}

/** Resolves after `ms`; rejects with the signal's reason when that fires first. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
