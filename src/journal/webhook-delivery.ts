import { CLOUD_EVENT_TYPE, toCloudEvent } from './cloud-event.js';
import type { JournalEntry } from './store/entries.js';
import { signedHeaders, type WebhookEndpoint } from './webhook-endpoint.js';

/** How often, and how long apart. */
export interface WebhookRetries {
  /** Then it is a dead letter. Default 30, which is about four hours. */
  tries: number;
  /** The first gap, in ms. Default 1 s; each next is three times as long. */
  firstMs: number;
  /** The longest gap, in ms. Default 10 min. */
  maxMs: number;
}

export const DEFAULT_RETRIES: WebhookRetries = { tries: 30, firstMs: 1_000, maxMs: 600_000 };
const GROWTH = 3;
/** However long the endpoint asks us to wait. */
const LONGEST_WAIT_MS = 3_600_000;

/**
 * How long to wait after a failed try (1 is the first), in ms: growing, with up to half of it taken off at random so
 * that what failed together does not come back together; at least as long as the endpoint asked, up to an hour.
 */
export function retryGap(
  tries: number,
  retries: WebhookRetries,
  retryAfterMs = 0,
  random: () => number = Math.random,
): number {
  const grown = Math.min(retries.maxMs, retries.firstMs * GROWTH ** (tries - 1));
  return Math.max(Math.round(grown * (1 - random() / 2)), Math.min(retryAfterMs, LONGEST_WAIT_MS));
}

/** `Retry-After` in ms: seconds, or a date. Absent or unreadable: undefined. */
export function parseRetryAfter(value: string | null, now: number = Date.now()): number | undefined {
  if (value === null) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value) * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

export type Delivered = { ok: true } | { ok: false; error: string; retryAfterMs?: number };

export interface DeliveryOptions {
  source?: string;
  timeoutMs: number;
  signal: AbortSignal;
}

/**
 * One POST of one event. Only a 2xx counts as received; a redirect is a failure. What the endpoint answers is not read.
 * @throws when `signal` aborts: then nobody knows whether it arrived.
 */
export async function deliver(
  endpoint: WebhookEndpoint,
  entry: JournalEntry,
  { source, timeoutMs, signal }: DeliveryOptions,
): Promise<Delivered> {
  const event = toCloudEvent(entry, source === undefined ? {} : { source });
  const body = JSON.stringify(event);
  const headers = signedHeaders(endpoint, { id: event.id, at: new Date(), body });
  try {
    const response = await fetch(endpoint.url, {
      method: 'POST',
      headers: { 'content-type': CLOUD_EVENT_TYPE, 'user-agent': 'slipway-webhooks', ...headers },
      body,
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    await response.body?.cancel();
    if (response.ok) return { ok: true };
    const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'));
    return { ok: false, error: `HTTP ${response.status}`, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  } catch (error) {
    if (signal.aborted) throw error;
    return { ok: false, error: reasonOf(error) };
  }
}

function reasonOf(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: { code?: string } };
  if (name === 'TimeoutError') return 'no answer in time';
  return cause?.code ?? 'the connection failed';
}
