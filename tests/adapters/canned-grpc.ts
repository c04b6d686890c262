import { Metadata, Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { afterEach } from 'vitest';
import type { CredentialConfig } from '../../src/adapters/credential.js';
import { shortNameOf } from '../../src/adapters/nebius/channels.js';
import { RPCS } from '../../src/adapters/nebius/client.js';
import { EXCHANGE } from '../../src/adapters/nebius/token.js';
import type { Provider } from '../../src/domain/provider.js';
import { decode, encode, toAny } from '../../src/simcloud/dialects/nebius-proto.js';
import { openProvider } from './clouds.js';

/** One answer of a vendor that speaks gRPC: a message, or a refusal. */
export type CannedReply = { reply: object } | { code: number; message?: string; details?: object[]; trailers?: object };

export interface SentRpc {
  /** `InstanceService/Create` */
  call: string;
  message: Record<string, unknown>;
  metadata: Record<string, unknown>;
}

export const reply = (message: object): CannedReply => ({ reply: message });

/** A refusal in the vendor's words: `{ not_enough_resources: {} }` is one `ServiceError`. */
export const refusal = (code: number, detail?: object, message = 'in their words'): CannedReply => ({
  code,
  message,
  ...(detail && { details: [toAny('nebius.common.v1.ServiceError', { service: 'compute', ...detail })] }),
});

/** `google.rpc.Status` as an operation carries it. */
export const failed = (code: number, detail?: object, message = 'in their words'): object => ({
  code,
  message,
  ...(detail && { details: [toAny('nebius.common.v1.ServiceError', { service: 'compute', ...detail })] }),
});

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.forceShutdown();
});

/** A provider whose vendor answers each method by its name; a list is answered in turn, its last answer for good. */
export async function scriptedGrpc(
  credential: Omit<CredentialConfig, 'apiUrl'>,
  answers: Record<string, CannedReply | CannedReply[]>,
): Promise<{ provider: Provider; apiUrl: string; sent: SentRpc[]; calls(): string[] }> {
  const sent: SentRpc[] = [];
  const counts = new Map<string, number>();
  const server = new Server();
  for (const rpc of [...Object.values(RPCS), EXCHANGE]) {
    const call = shortNameOf(rpc);
    const name = rpc.method.slice(rpc.method.lastIndexOf('/') + 1);
    const definition = {
      path: `/${rpc.method}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (message: object) => encode(rpc.request, message),
      requestDeserialize: (bytes: Buffer) => decode(rpc.request, bytes) as Record<string, unknown>,
      responseSerialize: (message: object) => encode(rpc.reply, message),
      responseDeserialize: (bytes: Buffer) => decode(rpc.reply, bytes) as object,
    };
    const serve = (
      { request, metadata }: ServerUnaryCall<Record<string, unknown>, object>,
      done: sendUnaryData<object>,
    ) => {
      sent.push({ call, message: request, metadata: metadata.getMap() });
      const row = [answers[call] ?? []].flat();
      const nth = counts.get(call) ?? 0;
      counts.set(call, nth + 1);
      const answer = row[Math.min(nth, row.length - 1)] ?? { code: 12, message: `no answer was given for ${call}` };
      if ('reply' in answer) return done(null, answer.reply);
      const { code, message = '', details, trailers } = answer;
      const rest = new Metadata();
      for (const [key, value] of Object.entries(trailers ?? {})) rest.set(key, String(value));
      if (details) rest.set('grpc-status-details-bin', encode('google.rpc.Status', { code, message, details }));
      done({ code, details: message, metadata: rest });
    };
    server.addService({ [name]: definition }, { [name]: serve });
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  open.push(server);
  const apiUrl = `http://127.0.0.1:${port}`;
  return {
    provider: openProvider({ ...credential, apiUrl } as CredentialConfig),
    apiUrl,
    sent,
    calls: () => sent.map(({ call }) => call).filter((call) => call !== 'TokenExchangeService/Exchange'),
  };
}
