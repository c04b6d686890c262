import type { EC2Client } from '@aws-sdk/client-ec2';
import { Deadline, type HttpCall, type HttpReply, readHead } from '../http.js';
import { connectionCode, HttpFailure, sentBefore } from '../http-failure.js';
import { LeftQueue, type Priority, RateLimiter, type RateLimits } from '../rate-limiter.js';
import { isThrottle } from './errors.js';
import { loadSdk, openSdkClient, type Sdk, type SdkSettings } from './sdk.js';

/*
 * One call to EC2. The SDK signs it, writes the query and reads the XML; all else is ours, as with every other vendor:
 * its place in the queue, the deadline, what was sent for certain, and whether the answer is AWS's at all. (The SDK reads
 * an empty 200 as an empty list, and a proxy's page as an error of AWS's.) Whatever goes wrong is an `HttpFailure`; its
 * body is `{ code, message }` where AWS itself refused, else the text that came.
 */

export interface ExchangeOptions extends Pick<SdkSettings, 'apiUrl' | 'credentials'> {
  limits: RateLimits;
  timeoutMs: number;
  fetch?: typeof fetch;
  onCall?: (call: HttpCall) => void;
  /** See `AdapterDeps`. */
  onCreateAnswered?: () => void;
}

export interface Call<Output> {
  /** `RunInstances`: for logs and errors. */
  action: string;
  region: string;
  priority: Priority;
  isCreate?: boolean;
  /** What no error may echo, such as user data. */
  conceal?: readonly (string | undefined)[];
  send(sdk: Sdk, client: EC2Client, options: { abortSignal: AbortSignal }): Promise<Output>;
}

interface Metadata {
  $metadata?: { httpStatusCode?: number; requestId?: string };
}

export class Ec2Exchange {
  readonly #options: ExchangeOptions;
  readonly #limiter: RateLimiter;
  readonly #clients = new Map<string, EC2Client>();

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#limiter = new RateLimiter(options.limits);
  }

  /** @throws {HttpFailure} for everything but an answer of the agreed form. */
  async run<Output extends Metadata>(call: Call<Output>, signal: AbortSignal): Promise<HttpReply<Output>> {
    const { priority, isCreate, action } = call;
    try {
      return await this.#limiter.run(() => this.#perform(call, signal), { priority, isCreate, signal });
    } catch (error) {
      if (!(error instanceof LeftQueue)) throw error;
      throw new HttpFailure(`${action}: ${error.message}`, { reason: 'cancelled', sent: 'not-sent' }, error);
    }
  }

  async #perform<Output extends Metadata>(call: Call<Output>, signal: AbortSignal): Promise<HttpReply<Output>> {
    const client = this.#clientOf(call.region);
    const log: HttpCall = { method: 'POST', path: `/${call.action}`, durationMs: 0 };
    const startedAt = performance.now();
    const deadline = new Deadline(signal, this.#options.timeoutMs);
    try {
      const value = await call.send(loadSdk(), client, { abortSignal: deadline.signal });
      const { httpStatusCode, requestId } = value.$metadata ?? {};
      Object.assign(log, { status: httpStatusCode, ...(requestId && { requestId }) });
      return { value, ...(requestId && { requestId }) };
    } catch (error) {
      const failure = toFailure(call, error, deadline, signal);
      if (failure instanceof HttpFailure) {
        Object.assign(log, { status: failure.status, ...(failure.requestId && { requestId: failure.requestId }) });
        if (isThrottle(failure)) this.#limiter.pause(failure.retryAfterMs, call.isCreate === true);
      }
      throw failure;
    } finally {
      deadline.clear();
      log.durationMs = Math.round(performance.now() - startedAt);
      this.#options.onCall?.(log);
    }
  }

  #clientOf(region: string): EC2Client {
    let client = this.#clients.get(region);
    if (!client) {
      const { apiUrl, credentials } = this.#options;
      const requestHandler = new FetchHandler(this.#options);
      client = openSdkClient({ region, apiUrl, credentials, requestHandler });
      this.#clients.set(region, client);
    }
    return client;
  }
}

interface SdkRequest {
  method: string;
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
  headers: Record<string, string>;
  body?: unknown;
}

interface SdkResponse {
  statusCode: number;
  headers: Record<string, string>;
  body: Uint8Array;
}

/** What the SDK sends through. It hands on what EC2 said, and nothing else. */
class FetchHandler {
  readonly #options: Pick<ExchangeOptions, 'fetch' | 'onCreateAnswered'>;

  constructor(options: Pick<ExchangeOptions, 'fetch' | 'onCreateAnswered'>) {
    this.#options = options;
  }

  async handle(
    { method, protocol, hostname, port, path, headers, body }: SdkRequest,
    { abortSignal }: { abortSignal?: unknown } = {},
  ): Promise<{ response: SdkResponse }> {
    const query = String(body);
    const action = new URLSearchParams(query).get('Action') ?? '';
    // fetch makes these two itself, and the same.
    const { host: _host, 'content-length': _length, ...signed } = headers;
    const url = `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`;
    const request = { method, headers: signed, body: query, redirect: 'manual', signal: abortSignal as AbortSignal };
    let response: Response;
    let text: string;
    try {
      response = await (this.#options.fetch ?? fetch)(url, request as RequestInit);
      text = await response.text();
      if (action === 'RunInstances') this.#options.onCreateAnswered?.();
    } catch (error) {
      const why = connectionCode(error) ?? 'connection failed';
      throw new HttpFailure(`${action}: ${why}`, { reason: 'connection', sent: sentBefore(error) }, error);
    }
    mustBeTheirs(action, response, text);
    const answered = Object.fromEntries(response.headers);
    return { response: { statusCode: response.status, headers: answered, body: new TextEncoder().encode(text) } };
  }

  destroy(): void {}

  // The SDK would set timeouts by these; we have our own.
  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): Record<string, never> {
    return {};
  }
}

/** A whole `<RunInstancesResponse>`, or an error document with a code. */
function mustBeTheirs(action: string, response: Response, text: string): void {
  const root = /^\s*(?:<\?xml[^>]*>\s*)?<([\w:]+)[\s>]/.exec(text)?.[1];
  const isWhole = root !== undefined && text.trimEnd().endsWith(`</${root}>`);
  const isTheirs = response.ok ? root === `${action}Response` : root === 'Response' && /<Code>[^<]+</.test(text);
  if (isWhole && isTheirs) return;
  const { requestId, retryAfterMs } = readHead(response);
  const why = response.ok ? `answered ${response.status}, unreadable` : `answered ${response.status}`;
  throw new HttpFailure(`${action} ${why}`, {
    reason: response.ok ? 'unreadable' : 'status',
    sent: 'maybe',
    status: response.status,
    body: text,
    headers: response.headers,
    requestId,
    retryAfterMs,
  });
}

const ENDED = { timeout: 'no whole answer in time', cancelled: 'cancelled on the way' } as const;

function toFailure<Output>(
  { action, conceal = [] }: Call<Output>,
  error: unknown,
  deadline: Deadline,
  caller: AbortSignal,
) {
  const concealed = conceal.filter((value): value is string => value !== undefined && value !== '');
  if (error instanceof HttpFailure) {
    const { status, body, headers, requestId, retryAfterMs, sent } = error;
    const isLost = error.reason === 'connection';
    const reason = isLost && deadline.hasPassed ? 'timeout' : isLost && caller.aborted ? 'cancelled' : error.reason;
    const message = reason === 'timeout' || reason === 'cancelled' ? `${action}: ${ENDED[reason]}` : error.message;
    const facts = { reason, sent, status, body, headers, requestId, retryAfterMs };
    return new HttpFailure(message, facts, error.cause, concealed);
  }
  const { name, message, $metadata, $response } = error as SdkError;
  const { httpStatusCode: status, requestId } = $metadata ?? {};
  if (status === undefined) {
    // The SDK has an error of its own for a signal that aborted: how far the request came, it does not say.
    const ended = deadline.hasPassed ? 'timeout' : caller.aborted ? 'cancelled' : undefined;
    if (ended) return new HttpFailure(`${action}: ${ENDED[ended]}`, { reason: ended, sent: 'maybe' });
    return error; // it could not write what we gave it, which is a bug of ours
  }
  if (status < 300) {
    return new HttpFailure(`${action} answered ${status}, unreadable`, { reason: 'unreadable', sent: 'maybe', status });
  }
  const headers = new Headers($response?.headers);
  const { retryAfterMs } = readHead({ status, headers } as Response);
  return new HttpFailure(
    `${action} answered ${status}`,
    { reason: 'status', sent: 'maybe', status, body: { code: name, message }, headers, requestId, retryAfterMs },
    undefined,
    concealed,
  );
}

type SdkError = Error & Metadata & { $response?: { headers?: Record<string, string> } };
