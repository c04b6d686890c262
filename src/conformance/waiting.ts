import { setTimeout as sleep } from 'node:timers/promises';
import { formatMs } from '../domain/duration.js';
import { ERRORS, ProviderError } from '../domain/errors.js';
import type { CloudInstance, LifecycleStatus, Provider } from '../domain/provider.js';
import { NotConforming } from './check.js';

/** Asking more often than this tells nothing more, whatever the limits say; in ms. */
const SLOWEST_LOOK_MS = 5_000;

export interface Waiting {
  signal: AbortSignal;
  withinMs: number;
}

/**
 * Looks until `find` finds something. An error that passes by itself is no answer: it is told if the time runs out.
 * @throws {NotConforming} naming what was waited for and what was seen last.
 */
export async function until<T>(
  what: string,
  pollMs: number,
  { signal, withinMs }: Waiting,
  find: () => Promise<T | undefined>,
  lastSeen: () => string = () => '',
): Promise<T> {
  const startedAt = performance.now();
  for (let failure = ''; ; ) {
    signal.throwIfAborted();
    try {
      const found = await find();
      if (found !== undefined) return found;
      failure = '';
    } catch (error) {
      // What repeating cannot mend is no reason to wait out the clock.
      if (!(error instanceof ProviderError) || ERRORS[error.kind].retry === 'no') throw error;
      failure = `${error.kind}: ${error.message}`;
    }
    if (performance.now() - startedAt >= withinMs) {
      const seen = failure || lastSeen();
      throw new NotConforming(`${what}: not within ${formatMs(withinMs)}${seen && `; last seen: ${seen}`}`);
    }
    await sleep(Math.min(pollMs, SLOWEST_LOOK_MS), undefined, { signal });
  }
}

type Place = Pick<CloudInstance, 'cloudId' | 'location'>;

/** What get shows; `undefined` when there is no such machine. Other errors are thrown. */
export async function look(provider: Provider, { cloudId, location }: Place, signal: AbortSignal) {
  try {
    return await provider.getInstance(cloudId, location, signal);
  } catch (error) {
    if (error instanceof ProviderError && error.kind === 'InstanceNotFound') return undefined;
    throw error;
  }
}

/** Until get shows this status. A machine that failed, or is gone, ends the wait at once. */
export async function untilStatus(
  provider: Provider,
  machine: Place,
  wanted: LifecycleStatus,
  waiting: Waiting,
): Promise<CloudInstance> {
  let seen = 'nothing';
  const found = await until(
    `${machine.cloudId} ${wanted}`,
    provider.limits.pollIntervalMs,
    waiting,
    async () => {
      const now = await look(provider, machine, waiting.signal);
      seen = now ? [now.status, now.statusMessage].filter(Boolean).join(', ') : 'get does not find it';
      if (!now || (now.status !== wanted && ['failed', 'terminated'].includes(now.status)))
        throw new NotConforming(`${machine.cloudId} should become ${wanted}, and ${now ? `is ${seen}` : seen}`);
      return now.status === wanted ? now : undefined;
    },
    () => seen,
  );
  return found;
}

/** Waits until listings may be believed about something that happened at `since`, epoch ms. */
export async function settle(provider: Provider, since: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.max(0, since + provider.limits.listingLagMs - Date.now()), undefined, { signal });
}
