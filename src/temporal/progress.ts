/** Tells a person one thing, in one line. */
export type Report = (line: string) => void;

/** A silent minute looks like a hang; a line every ten seconds does not. */
export const HEARTBEAT_MS = 10_000;

/** Runs slow work, and meanwhile reports `line(elapsed)` every `everyMs`; `elapsed` reads like `1 min 05 s`. */
export async function reportWhile<T>(
  report: Report,
  everyMs: number,
  line: (elapsed: string) => string,
  work: () => Promise<T>,
): Promise<T> {
  const since = Date.now();
  const timer = setInterval(() => report(line(toElapsed(Date.now() - since))), everyMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** `42 s`, `3 min 05 s`. */
export function toElapsed(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/** One line about why something failed: the message, and the cause's where the message alone says nothing (`fetch failed`). */
export function toReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return `${error.message}${cause}`.replace(/\s+/g, ' ').trim();
}
