import { type ChannelCredentials, Client, credentials, Metadata } from '@grpc/grpc-js';
import type { z } from 'zod';
import { GrpcFailure, toGrpcFailure } from './grpc-failure.js';
import { decode, encode } from './proto.js';

/** One method of the vendor's. */
export interface Rpc {
  /** `compute`: which of the vendor's hosts answers it. */
  host: string;
  /** `nebius.compute.v1.InstanceService/Get` */
  method: string;
  /** Message types, with their packages. */
  request: string;
  reply: string;
}

export interface Call<T> {
  rpc: Rpc;
  message: object;
  /** What the answer must look like. */
  reply: z.ZodType<T>;
  metadata?: Record<string, string | undefined>;
}

export interface Reply<T> {
  value: T;
  requestId?: string;
}

/** One finished call, for logs. */
export interface GrpcCall {
  method: string;
  durationMs: number;
  outcome: string;
  requestId?: string;
}

export interface ChannelsOptions {
  /** Instead of the vendor's hosts: one address for all services, `http:` for a plain connection. */
  apiUrl?: string;
  /** From the moment it is sent until the answer is whole, in ms. */
  timeoutMs: number;
  onCall?: (call: GrpcCall) => void;
}

const DOMAIN = 'api.nebius.cloud:443';

/*
 * The library repeats nothing (Temporal does, and only the caller knows whether a repeat is safe), and takes a page of a
 * hundred instances, each with its user data.
 */
const CHANNEL = { 'grpc.enable_retries': 0, 'grpc.max_receive_message_length': 32 * 2 ** 20 };

/** Connections to the vendor's hosts, opened when first needed. They keep no process alive. */
export class Channels {
  readonly #options: ChannelsOptions;
  readonly #clients = new Map<string, Client>();

  constructor(options: ChannelsOptions) {
    this.#options = options;
  }

  /** @throws {GrpcFailure} for everything but an answer of the agreed form. */
  async call<T>({ rpc, message, reply, metadata = {} }: Call<T>, signal: AbortSignal): Promise<Reply<T>> {
    const about = shortNameOf(rpc);
    const startedAt = performance.now();
    const call: GrpcCall = { method: about, durationMs: 0, outcome: 'OK' };
    try {
      const { value, requestId } = await this.#unary(rpc, message, toMetadata(metadata), signal);
      if (requestId) call.requestId = requestId;
      const parsed = reply.safeParse(value);
      if (parsed.success) return { value: parsed.data, ...(requestId && { requestId }) };
      const fields = parsed.error.issues.map(({ path }) => path.join('.') || 'the whole').slice(0, 5);
      const why = `${about} gave an answer that is unreadable at ${fields.join(', ')}`;
      throw new GrpcFailure(why, { reason: 'unreadable', sent: 'maybe', ...(requestId && { requestId }) });
    } catch (error) {
      if (error instanceof GrpcFailure) call.outcome = error.message;
      throw error;
    } finally {
      call.durationMs = Math.round(performance.now() - startedAt);
      this.#options.onCall?.(call);
    }
  }

  #unary(rpc: Rpc, message: object, metadata: Metadata, signal: AbortSignal): Promise<Reply<unknown>> {
    if (signal.aborted) {
      const why = `${shortNameOf(rpc)}: cancelled before it was sent`;
      return Promise.reject(new GrpcFailure(why, { reason: 'cancelled', sent: 'not-sent' }));
    }
    return new Promise((resolve, reject) => {
      let requestId: string | undefined;
      const call = this.#client(rpc.host).makeUnaryRequest(
        `/${rpc.method}`,
        (value: object) => encode(rpc.request, value),
        (bytes: Buffer) => decode(rpc.reply, bytes),
        message,
        metadata,
        { deadline: Date.now() + this.#options.timeoutMs },
        (error, value) => {
          signal.removeEventListener('abort', cancel);
          if (error) reject(toGrpcFailure(shortNameOf(rpc), error, signal));
          else resolve({ value, ...(requestId && { requestId }) });
        },
      );
      const cancel = (): void => call.cancel();
      call.on('metadata', (headers) => {
        const [id] = headers.get('x-request-id');
        if (typeof id === 'string') requestId = id;
      });
      signal.addEventListener('abort', cancel, { once: true });
    });
  }

  #client(host: string): Client {
    const { apiUrl } = this.#options;
    const url = apiUrl === undefined ? undefined : new URL(apiUrl);
    const address = url ? `${url.hostname}:${url.port || (url.protocol === 'http:' ? 80 : 443)}` : `${host}.${DOMAIN}`;
    const known = this.#clients.get(address);
    if (known) return known;
    const security: ChannelCredentials =
      url?.protocol === 'http:' ? credentials.createInsecure() : credentials.createSsl();
    // A proxy of the environment is for the vendor, not for an address somebody named.
    const client = new Client(address, security, { ...CHANNEL, ...(url && { 'grpc.enable_http_proxy': 0 }) });
    this.#clients.set(address, client);
    return client;
  }
}

/** `InstanceService/Get` */
export function shortNameOf({ method }: Rpc): string {
  return method.slice(method.lastIndexOf('.') + 1);
}

function toMetadata(entries: Record<string, string | undefined>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(entries)) if (value !== undefined) metadata.set(name, value);
  return metadata;
}
