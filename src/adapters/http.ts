import type { z } from 'zod';
import { redact } from '../redact.js';
import { connectionCode, HttpFailure, sentBefore } from './http-failure.js';
import { LeftQueue, type Priority, RateLimiter, type RateLimits } from './rate-limiter.js';
import type { UnchangedPages } from './unchanged.js';

/*
 * What every REST adapter shares: one client per credential.
 *
 * It never repeats a request, since Temporal does, and since only the caller knows whether a repeat is safe. The one
 * exception: a 401 with `renew` set gets one fresh token and one more try, for a 401 has done nothing.
 */

export interface HttpClientOptions {
  /** Without a slash at the end. */
  baseUrl: string;
  /** Headers that identify us. `renew`: the last ones were refused. Ask for a token here, with its own deadline. */
  authorise: (ask: { renew: boolean; signal: AbortSignal }) => Record<string, string> | Promise<Record<string, string>>;
  /** Whether `authorise` has anything new to give after a 401. */
  hasTokens?: boolean;
  limits: RateLimits;
  /** From the moment it is sent until the answer is whole. Default 30 s: a create may take long, its caller 60 s. */
  timeoutMs?: number;
  fetch?: typeof fetch;
  onCall?: (call: HttpCall) => void;
  /** See `AdapterDeps`. */
  onCreateAnswered?: () => void;
}

/** One finished call, for logs and counters. */
export interface HttpCall {
  method: Method;
  /** Without the query. */
  path: string;
  durationMs: number;
  /** Absent when no answer came. */
  status?: number;
  requestId?: string;
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface HttpRequest<T> {
  method: Method;
  /** Below the base URL, encoded: see `pathOf`. */
  path: string;
  query?: Record<string, string | undefined>;
  /** Sent as JSON. */
  body?: unknown;
  /** What the answer must look like; absent: nobody reads it. */
  reply?: z.ZodType<T>;
  /** For a long listing: a text that was read before is not read again. */
  unchanged?: UnchangedPages;
  priority: Priority;
  isCreate?: boolean;
  /** Values of this body that must not be seen in an error, such as user data. */
  conceal?: readonly (string | undefined)[];
}

export interface HttpReply<T> {
  value: T;
  requestId?: string;
}

const DEFAULT_TIMEOUT_MS = 30_000;

export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #limiter: RateLimiter;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#limiter = new RateLimiter(options.limits);
  }

  /** @throws {HttpFailure} for everything but a 2xx answer of the agreed form. */
  async send<T = undefined>(request: HttpRequest<T>, signal: AbortSignal): Promise<HttpReply<T>> {
    const turn = { priority: request.priority, isCreate: request.isCreate, signal };
    const attempt = (renew: boolean): Promise<HttpReply<T>> =>
      this.#limiter.run(() => this.#exchange(request, renew, signal), turn);
    try {
      return await attempt(false).catch((failure: unknown) => {
        const isStale = failure instanceof HttpFailure && failure.status === 401 && this.#options.hasTokens;
        if (isStale) return attempt(true);
        throw failure;
      });
    } catch (failure) {
      if (failure instanceof LeftQueue) {
        throw new HttpFailure(
          `${about(request)}: ${failure.message}`,
          { reason: 'cancelled', sent: 'not-sent' },
          failure,
        );
      }
      throw failure;
    }
  }

  async #exchange<T>(request: HttpRequest<T>, renew: boolean, signal: AbortSignal): Promise<HttpReply<T>> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = this.#options;
    const startedAt = performance.now();
    const { method, path } = request;
    const call: HttpCall = { method, path, durationMs: 0 };
    const deadline = new Deadline(signal, timeoutMs);
    try {
      const headers = await this.#headers(request, renew, deadline.signal);
      const response = await this.#fetch(request, headers, deadline.signal);
      const answer = readHead(response);
      call.status = response.status;
      if (answer.requestId) call.requestId = answer.requestId;
      if (response.status === 429) this.#limiter.pause(answer.retryAfterMs, request.isCreate === true);
      const text = await response.text();
      if (request.isCreate) this.#options.onCreateAnswered?.();
      return readAnswer(request, response, answer, text);
    } catch (error) {
      throw error instanceof HttpFailure ? error : toFailure(request, error, deadline, signal);
    } finally {
      deadline.clear();
      call.durationMs = Math.round(performance.now() - startedAt);
      this.#options.onCall?.(call);
    }
  }

  async #headers<T>(request: HttpRequest<T>, renew: boolean, signal: AbortSignal): Promise<Record<string, string>> {
    const accepts = { accept: 'application/json', 'user-agent': 'slipway' };
    const carries: Record<string, string> = request.body === undefined ? {} : { 'content-type': 'application/json' };
    try {
      return { ...accepts, ...carries, ...(await this.#options.authorise({ renew, signal })) };
    } catch (error) {
      // The token's own call failed; the request itself never left.
      if (error instanceof HttpFailure) {
        const { reason, status, requestId, retryAfterMs, body } = error;
        throw new HttpFailure(
          `token for ${error.message}`,
          { reason, sent: 'not-sent', status, requestId, retryAfterMs, body },
          error,
        );
      }
      throw error;
    }
  }

  #fetch<T>(request: HttpRequest<T>, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const url = new URL(`${this.#options.baseUrl}${request.path}`);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.append(name, value);
    }
    return (this.#options.fetch ?? fetch)(url, {
      method: request.method,
      headers,
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      // Followed, a moved POST would become a GET, and a create an empty success.
      redirect: 'manual',
      signal,
    });
  }
}

/**
 * A path with every value encoded: pathOf`/instances/${id}/stop`.
 * @throws {TypeError} for a value that would lead elsewhere: with an empty id, an instance's path is the list's.
 */
export function pathOf(texts: TemplateStringsArray, ...values: string[]): string {
  const encoded = values.map((value) => {
    if (value === '' || value === '.' || value === '..') throw new TypeError(`cannot stand in a path: "${value}"`);
    return encodeURIComponent(value);
  });
  return texts.reduce((path, text, index) => `${path}${encoded[index - 1]}${text}`);
}

/*
 * `AbortSignal.any` would do, but on Node 20 every signal it makes stays tied to its sources, and the watcher's signal
 * lives for weeks. This one lets go.
 */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #abort = (): void => this.#controller.abort();
  hasPassed = false;

  constructor(
    private readonly caller: AbortSignal,
    timeoutMs: number,
  ) {
    this.#timer = setTimeout(() => {
      this.hasPassed = true;
      this.#abort();
    }, timeoutMs);
    caller.addEventListener('abort', this.#abort, { once: true });
    if (caller.aborted) this.#abort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.caller.removeEventListener('abort', this.#abort);
  }
}

export interface Head {
  status: number;
  headers: Headers;
  requestId?: string;
  retryAfterMs?: number;
}

const REQUEST_ID_HEADERS = ['x-request-id', 'request-id', 'x-amzn-requestid', 'x-correlation-id', 'cf-ray'];

export function readHead({ status, headers }: Response): Head {
  const requestId = REQUEST_ID_HEADERS.map((name) => headers.get(name)).find(
    (id) => id && /^[\w.:/-]{1,128}$/.test(id),
  );
  const retryAfterMs = toRetryAfterMs(headers.get('retry-after'), Date.now());
  return { status, headers, ...(requestId && { requestId }), ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/** Seconds, or a date; undefined when it is neither. */
export function toRetryAfterMs(header: string | null, now: number): number | undefined {
  const text = header?.trim();
  if (!text) return undefined;
  if (/^\d+(?:\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1_000);
  // Only a date has letters; left alone, Date.parse takes "-5" for a year.
  const at = /^[A-Z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

function readAnswer<T>(request: HttpRequest<T>, response: Response, head: Head, text: string): HttpReply<T> {
  const { requestId } = head;
  const fail = (reason: 'status' | 'unreadable', why: string): HttpFailure => {
    const json = parseJson(text);
    const body = json === undefined ? text : json;
    const facts = { ...head, reason, sent: 'maybe', body } as const;
    return new HttpFailure(`${about(request)} ${why}`, facts, undefined, concealed(request));
  };
  if (!response.ok) throw fail('status', `answered ${head.status}`);
  const { reply, unchanged } = request;
  if (!reply) return { value: undefined as T, ...(requestId && { requestId }) };
  const read = (): T => {
    const json = parseJson(text);
    if (json === undefined) throw fail('unreadable', `answered ${head.status} without JSON`);
    const parsed = reply.safeParse(json);
    if (parsed.success) return parsed.data;
    const fields = parsed.error.issues.map(({ path }) => path.join('.') || 'the whole').slice(0, 5);
    throw fail('unreadable', `answered ${head.status}, unreadable at ${fields.join(', ')}`);
  };
  return { value: unchanged ? unchanged.get(text, read) : read(), ...(requestId && { requestId }) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toFailure<T>(request: HttpRequest<T>, error: unknown, deadline: Deadline, caller: AbortSignal): HttpFailure {
  const fail = (reason: 'timeout' | 'cancelled' | 'connection', why: string): HttpFailure =>
    new HttpFailure(`${about(request)}: ${why}`, { reason, sent: sentBefore(error) }, error, concealed(request));
  if (deadline.hasPassed) return fail('timeout', 'no whole answer in time');
  if (caller.aborted) return fail('cancelled', 'cancelled on the way');
  return fail('connection', connectionCode(error) ?? redact(error instanceof Error ? error.name : 'connection failed'));
}

function about({ method, path }: { method: string; path: string }): string {
  return `${method} ${path}`;
}

function concealed({ conceal = [] }: { conceal?: readonly (string | undefined)[] }): string[] {
  return conceal.filter((value): value is string => value !== undefined && value !== '');
}
