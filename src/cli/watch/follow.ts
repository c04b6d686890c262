import { setTimeout as sleep } from 'node:timers/promises';
import { type InstanceEvent, type InstanceView, type SlipwayClient, SlipwayError } from '../../client/index.js';
import { formatMs } from '../../domain/duration.js';
import { Interrupted, toFailure } from '../failure.js';
import { stuckText, verdict, type Wanted } from './verdict.js';

export interface Look {
  view: InstanceView;
  /** Since the look before. */
  events: InstanceEvent[];
}

export interface FollowOptions {
  wanted: Wanted;
  /** At every look, also those that found nothing new. */
  onLook?: (look: Look) => void;
  /** Nobody answers at the moment; it goes on trying. */
  onTrouble?: (message: string) => void;
  timeoutMs?: number;
}

/** Between two looks, in ms: quick after a change, slower while nothing happens. */
const GAP_MS = { first: 100, ceiling: 1_000 };
/** A worker that is restarted, or a server, is waited for this long. */
const PATIENCE_MS = 60_000;

/**
 * Looks at an instance until it is where it is wanted. Ctrl-C ends the looking and nothing else.
 * @throws {SlipwayError} Stuck, WaitTimeout, Unreachable; {Interrupted}
 */
export async function follow(client: SlipwayClient, refId: string, options: FollowOptions): Promise<InstanceView> {
  const stop = new AbortController();
  const interrupt = () => stop.abort(new Interrupted(leftAlone(refId)));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const interrupted = new Promise<never>((_, reject) => {
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason), { once: true });
  });
  try {
    // A call under way is not waited for: whoever presses Ctrl-C means now.
    return await Promise.race([looking(client, refId, options, stop.signal), interrupted]);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    interrupted.catch(() => undefined);
    stop.abort();
  }
}

async function looking(
  client: SlipwayClient,
  refId: string,
  { wanted, onLook, onTrouble, timeoutMs = Number.POSITIVE_INFINITY }: FollowOptions,
  signal: AbortSignal,
): Promise<InstanceView> {
  const endsAt = Date.now() + timeoutMs;
  let seq = 0;
  let gap = GAP_MS.first;
  for (;;) {
    const { view, events } = await patiently(() => look(client, refId, seq), signal, onTrouble);
    signal.throwIfAborted();
    seq = events.at(-1)?.seq ?? seq;
    onLook?.({ view, events });
    const found = verdict(view, wanted);
    if (found === 'arrived') return view;
    if (found === 'stuck') throw new SlipwayError('Stuck', stuckText(view, wanted), { view });
    const left = endsAt - Date.now();
    if (left <= 0) {
      const message = `${refId} is still ${view.phase} after ${formatMs(timeoutMs)}, not ${wanted}. It goes on.`;
      throw new SlipwayError('WaitTimeout', message, { view });
    }
    gap = events.length > 0 ? GAP_MS.first : Math.min(gap * 1.5, GAP_MS.ceiling);
    await sleep(Math.min(gap, left), undefined, { signal });
  }
}

/** The view first: so the events are never older than what it says. */
async function look(client: SlipwayClient, refId: string, seq: number): Promise<Look> {
  const view = await client.describe(refId);
  return { view, events: view.seq > seq ? (await client.events(refId, seq + 1)).events : [] };
}

async function patiently<T>(
  call: () => Promise<T>,
  signal: AbortSignal,
  onTrouble: FollowOptions['onTrouble'],
): Promise<T> {
  const since = Date.now();
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const { kind, message } = toFailure(error);
      if (kind !== 'Unreachable' || Date.now() - since > PATIENCE_MS) throw error;
      onTrouble?.(message);
      await sleep(GAP_MS.ceiling, undefined, { signal });
    }
  }
}

function leftAlone(refId: string): string {
  return `Stopped watching. ${refId} goes on by itself: slipway show ${refId}`;
}
