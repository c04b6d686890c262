import { inspect } from 'node:util';
import { redact } from '../redact.js';

/** What kept us from an answer that can be used. */
export type HttpFailureReason =
  | 'status' //     an answer that is not 2xx
  | 'unreadable' // an answer that is not what was agreed: HTML, half a JSON, a missing field
  | 'connection' // refused, reset, dropped
  | 'timeout'
  | 'cancelled'; // by the caller

/** `not-sent` only where it is certain that the provider never saw the request. */
export type Sent = 'not-sent' | 'maybe';

export interface HttpFailureFacts {
  reason: HttpFailureReason;
  sent: Sent;
  status?: number;
  /** The answer: parsed if it was JSON, else its text. */
  body?: unknown;
  headers?: Headers;
  requestId?: string;
  retryAfterMs?: number;
}

const EXCERPT_BYTES = 2_048;

/**
 * One HTTP call that brought nothing usable. Its message holds method, path and status, never what the provider said:
 * the answer is for the adapter's error table (`body`) and, redacted and cut, for a debugger (`excerpt`). Both are
 * hidden from JSON, from `util.inspect` and hence from logs.
 */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';
  readonly reason: HttpFailureReason;
  readonly sent: Sent;
  readonly status?: number;
  readonly requestId?: string;
  readonly retryAfterMs?: number;
  readonly #body: unknown;
  readonly #headers: Headers;
  readonly #concealed: readonly string[];

  /** @param concealed What this call sent that no excerpt may echo, besides the registered secrets. */
  constructor(message: string, facts: HttpFailureFacts, cause?: unknown, concealed: readonly string[] = []) {
    super(redact(message), cause === undefined ? undefined : { cause });
    this.reason = facts.reason;
    this.sent = facts.sent;
    if (facts.status !== undefined) this.status = facts.status;
    if (facts.requestId !== undefined) this.requestId = facts.requestId;
    if (facts.retryAfterMs !== undefined) this.retryAfterMs = facts.retryAfterMs;
    this.#body = facts.body;
    this.#headers = facts.headers ?? new Headers();
    this.#concealed = concealed;
  }

  get body(): unknown {
    return this.#body;
  }

  get headers(): Headers {
    return this.#headers;
  }

  /** A page for people where JSON was due: some proxy spoke, not the provider. */
  get isHtml(): boolean {
    return typeof this.#body === 'string' && /^\s*<(?:!doctype|html|head|body|\?xml)/i.test(this.#body);
  }

  /** At most 2 KiB of the answer, without secrets. */
  get excerpt(): string {
    if (this.#body === undefined) return '';
    const text = typeof this.#body === 'string' ? this.#body : JSON.stringify(this.#body);
    const shown = this.#concealed.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), redact(text));
    return Buffer.from(shown).subarray(0, EXCERPT_BYTES).toString();
  }

  [inspect.custom](): string {
    return this.stack ?? this.message;
  }
}

/** Raised before anything of a request is written; a TLS certificate is refused then too. */
const CONNECT_CODES = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** Whether an error of `fetch` proves that nothing was sent. */
export function sentBefore(error: unknown): Sent {
  const causes = connectionErrors(error);
  return causes.length > 0 && causes.every(isBeforeSending) ? 'not-sent' : 'maybe';
}

/** `ECONNRESET`, or the like; never a text. */
export function connectionCode(error: unknown): string | undefined {
  return connectionErrors(error).find(({ code }) => typeof code === 'string')?.code;
}

interface ConnectionError {
  code?: string;
  syscall?: string;
}

/** fetch says "fetch failed" and keeps why in `cause`; with several addresses to try, one error for each. */
function connectionErrors(error: unknown): ConnectionError[] {
  const cause = (error as { cause?: unknown } | undefined)?.cause;
  if (cause instanceof AggregateError) return cause.errors as ConnectionError[];
  return typeof cause === 'object' && cause !== null ? [cause as ConnectionError] : [];
}

function isBeforeSending({ code, syscall }: ConnectionError): boolean {
  return code !== undefined && (CONNECT_CODES.has(code) || syscall === 'connect' || syscall === 'getaddrinfo');
}
