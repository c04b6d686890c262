import { inspect } from 'node:util';
import { type Metadata, type ServiceError as RawError, status as STATUS } from '@grpc/grpc-js';
import { z } from 'zod';
import { redact } from '../../redact.js';
import { decode } from './proto.js';

/** What kept us from an answer that can be used. */
export type GrpcFailureReason =
  | 'status' //     Nebius said no, in its own words
  | 'unreadable' // an answer that is not what was agreed
  | 'connection' // refused, reset, dropped; or somebody in between answered
  | 'timeout'
  | 'cancelled'; // by the caller

/** `google.rpc.Status` and what Nebius puts into its details: the same for a refused call and for a failed operation. */
export interface VendorStatus {
  code: number;
  message: string;
  /** One word of `nebius.common.v1.ServiceError` each: `not_enough_resources`. */
  errors: VendorError[];
  retryAfterMs?: number;
}

export interface VendorError {
  /** Which of its details is set. */
  detail?: string;
  /** The service's own code: `DnsZoneNotEmpty`. */
  code?: string;
  /** The first field that it names. */
  field?: string;
  /** Of what is missing, or in the way. */
  resourceId?: string;
  requestId?: string;
}

export interface GrpcFailureFacts {
  reason: GrpcFailureReason;
  /** `not-sent` only where it is certain that Nebius never saw the call. */
  sent: 'not-sent' | 'maybe';
  status?: VendorStatus;
  requestId?: string;
}

/**
 * One call, or one operation, that brought nothing usable. Its message holds method and code, never what Nebius said: that
 * is for the error table alone, and hidden from JSON, from `util.inspect` and hence from logs.
 */
export class GrpcFailure extends Error {
  override readonly name = 'GrpcFailure';
  readonly reason: GrpcFailureReason;
  readonly sent: 'not-sent' | 'maybe';
  readonly requestId?: string;
  readonly retryAfterMs?: number;
  readonly #status: VendorStatus | undefined;

  constructor(message: string, { reason, sent, status, requestId }: GrpcFailureFacts) {
    super(redact(message));
    this.reason = reason;
    this.sent = sent;
    this.#status = status;
    const id = requestId ?? status?.errors.find((error) => error.requestId)?.requestId;
    if (id && /^[\w.:/-]{1,128}$/.test(id)) this.requestId = id;
    if (status?.retryAfterMs !== undefined) this.retryAfterMs = status.retryAfterMs;
  }

  get status(): VendorStatus | undefined {
    return this.#status;
  }

  [inspect.custom](): string {
    return this.stack ?? this.message;
  }
}

/** What grpc-js itself says when no status came from Nebius; 1.14.7. */
const NEVER_SENT =
  /^(?:No connection established|Name resolution failed|Channel closed before|Failed to start HTTP\/2)/;
const NOT_THEIRS =
  /^(?:Connection dropped|Stream refused|Received RST_STREAM|Received HTTP status|Call cancelled|Bandwidth exhausted|Protocol not secure|read E|write E|No message received)/;
const UNREADABLE = /^(?:Response message parsing error|Received message larger|Unrecognized compression)/;

/** @param about `InstanceService/Create` */
export function toGrpcFailure(about: string, error: RawError, signal: AbortSignal): GrpcFailure {
  const { code, details, metadata } = error;
  const word = STATUS[code] ?? String(code);
  if (signal.aborted) return new GrpcFailure(`${about}: cancelled on the way`, { reason: 'cancelled', sent: 'maybe' });
  if (NEVER_SENT.test(details)) {
    return new GrpcFailure(`${about}: no connection`, { reason: 'connection', sent: 'not-sent' });
  }
  if (code === STATUS.DEADLINE_EXCEEDED && details.startsWith('Deadline exceeded after')) {
    return new GrpcFailure(`${about}: no whole answer in time`, { reason: 'timeout', sent: 'maybe' });
  }
  if (UNREADABLE.test(details)) {
    return new GrpcFailure(`${about} gave an unreadable answer`, { reason: 'unreadable', sent: 'maybe' });
  }
  if (NOT_THEIRS.test(details)) {
    const http = /^Received HTTP status code (\d+)/.exec(details)?.[1];
    const why = http === undefined ? 'the connection was lost' : `somebody in between answered HTTP ${http}`;
    return new GrpcFailure(`${about}: ${why}`, { reason: 'connection', sent: 'maybe' });
  }
  const status = toVendorStatus(code, details, metadata);
  const requestId = textOf(metadata, 'x-request-id');
  return new GrpcFailure(`${about} answered ${word}`, {
    reason: 'status',
    sent: 'maybe',
    status,
    ...(requestId && { requestId }),
  });
}

function toVendorStatus(code: number, message: string, metadata: Metadata | undefined): VendorStatus {
  const [bytes] = metadata?.get('grpc-status-details-bin') ?? [];
  const said = Buffer.isBuffer(bytes) ? readStatus(attempt('google.rpc.Status', bytes)) : undefined;
  const told = textOf(metadata, 'retry-after');
  const retryAfterMs = said?.retryAfterMs ?? (told && /^\d+$/.test(told) ? Number(told) * 1_000 : undefined);
  return { code, message, errors: said?.errors ?? [], ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

const any = z.object({ type_url: z.string().default(''), value: z.instanceof(Uint8Array).optional() });
const rpcStatus = z.object({ code: z.number().default(0), message: z.string().default(''), details: z.array(any) });
const retryInfo = z.object({
  retry_delay: z.object({ seconds: z.number().default(0), nanos: z.number().default(0) }).optional(),
});

/** A decoded `google.rpc.Status`; undefined for anything else. */
export function readStatus(decoded: unknown): VendorStatus | undefined {
  const { data } = rpcStatus.safeParse(decoded);
  if (!data) return undefined;
  const details = data.details.flatMap(({ type_url: url, value = new Uint8Array() }) => {
    const type = url.slice(url.lastIndexOf('/') + 1);
    return [{ type, value }];
  });
  const errors = details.filter(({ type }) => type === SERVICE_ERROR).map(({ value }) => readError(value));
  const retry = details.find(({ type }) => type === RETRY_INFO);
  const delay = retry && retryInfo.safeParse(attempt(RETRY_INFO, retry.value)).data?.retry_delay;
  const retryAfterMs = delay && Math.ceil(delay.seconds * 1_000 + delay.nanos / 1e6);
  return { code: data.code, message: data.message, errors, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

const SERVICE_ERROR = 'nebius.common.v1.ServiceError';
const RETRY_INFO = 'google.rpc.RetryInfo';

const detail = z.object({
  resource_id: z.string().optional(),
  request_id: z.string().optional(),
  violations: z.array(z.object({ field: z.string().optional() })).optional(),
});

/** What we cannot read is an error without words: the status' code decides then. */
function readError(bytes: Uint8Array): VendorError {
  const {
    code,
    service: _who,
    retry_type: _hint,
    ...details
  } = (attempt(SERVICE_ERROR, bytes) ?? {}) as Record<string, unknown>;
  const [name] = Object.keys(details);
  const {
    resource_id: resourceId,
    request_id: requestId,
    violations,
  } = detail.safeParse(name && details[name]).data ?? {};
  const field = violations?.find((violation) => violation.field)?.field;
  return {
    ...(name && { detail: name }),
    ...(typeof code === 'string' && { code }),
    ...(field && { field }),
    ...(resourceId && { resourceId }),
    ...(requestId && { requestId }),
  };
}

function attempt(type: string, bytes: Uint8Array): unknown {
  try {
    return decode(type, bytes);
  } catch {
    return undefined;
  }
}

function textOf(metadata: Metadata | undefined, name: string): string | undefined {
  const [value] = metadata?.get(name) ?? [];
  return typeof value === 'string' ? value : undefined;
}
