import { randomBytes } from 'node:crypto';
import type { Server as HttpServer } from 'node:http';
import {
  createServer,
  constants as H2,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';

/*
 * gRPC on the cloud's one port: unary calls over HTTP/2 in plain text, as clients on loopback speak it. Written on
 * node:http2 and not on a gRPC library, for a vendor that misbehaves must say what no library would: a web page, half a
 * call, nothing.
 */

export interface GrpcCall {
  requestId: string;
  metadata: IncomingHttpHeaders;
  message: Buffer;
}

export type GrpcAnswer =
  | { type: 'message'; bytes: Buffer }
  /** `details`: an encoded `google.rpc.Status`. `httpStatus`: what the ledger counts it as. */
  | { type: 'status'; code: number; message: string; details?: Buffer; httpStatus: number }
  | { type: 'no-answer' }
  | { type: 'garbage'; status: number; contentType: string; body: string };

/** By path: `/nebius.compute.v1.InstanceService/Get`. */
export type GrpcMethods = Readonly<Record<string, (call: GrpcCall) => Promise<GrpcAnswer>>>;

const PREFACE = 'PRI * HTTP/2.0';
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const HEADER_BYTES = 5;

export class GrpcDoor {
  readonly #http2 = createServer();
  /** Each with the calls under way. */
  readonly #sessions = new Map<Http2Session, number>();
  /** Nobody knows yet what they speak. */
  readonly #silent = new Set<Socket>();
  #isClosed = false;

  constructor(
    private readonly methods: GrpcMethods,
    private readonly answered: (requestId: string, status: number) => void,
  ) {
    this.#http2.on('session', (session) => {
      this.#sessions.set(session, 0);
      session.once('close', () => this.#sessions.delete(session));
      session.on('error', () => session.destroy());
    });
    this.#http2.on('stream', (stream, headers) => {
      const { session } = stream;
      const count = (change: number): void => {
        const open = session && this.#sessions.get(session);
        if (session && open !== undefined) this.#sessions.set(session, open + change);
      };
      count(1);
      stream.once('close', () => count(-1));
      void this.#serve(stream, headers);
    });
  }

  /** From now on connections that begin with HTTP/2's preface are ours; the server keeps the others. */
  share(server: HttpServer): void {
    const others = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (this.#isClosed) return void socket.destroy();
      this.#silent.add(socket);
      socket.once('close', () => this.#silent.delete(socket));
      socket.once('error', () => socket.destroy()); // until somebody owns it
      socket.once('readable', () => {
        this.#silent.delete(socket);
        const first: Buffer | null = socket.read();
        if (first === null) return void socket.destroy();
        socket.unshift(first);
        const isHttp2 = PREFACE.startsWith(first.subarray(0, PREFACE.length).toString('latin1'));
        if (isHttp2) this.#http2.emit('connection', socket);
        else for (const accept of others) accept.call(server, socket);
      });
    });
  }

  /** Callers find their connections closed, and so do those that have not said a word yet. */
  close(): void {
    this.#isClosed = true;
    for (const socket of this.#silent) socket.destroy();
    for (const session of this.#sessions.keys()) session.destroy();
  }

  async #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    stream.on('error', () => undefined); // whoever left early left early
    const requestId = `req-${randomBytes(8).toString('hex')}`;
    const message = await readMessage(stream);
    const method = this.methods[String(headers[':path'])];
    if (!message) return;
    const unknown = { type: 'status', code: UNIMPLEMENTED, message: 'unknown method', httpStatus: 501 } as const;
    const answer = method ? await method({ requestId, metadata: headers, message }).catch(toInternal) : unknown;
    this.answered(requestId, statusOf(answer));
    if (!stream.destroyed) this.#send(stream, requestId, answer);
  }

  #send(stream: ServerHttp2Stream, requestId: string, answer: GrpcAnswer): void {
    const head = { ':status': 200, 'content-type': 'application/grpc+proto', 'x-request-id': requestId };
    switch (answer.type) {
      case 'message':
        stream.respond(head, { waitForTrailers: true });
        stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(toFrame(answer.bytes));
        return;
      case 'status': {
        const { code, message, details } = answer;
        const bytes = details && { 'grpc-status-details-bin': details.toString('base64') };
        const status = { 'grpc-status': String(code), 'grpc-message': encodeURIComponent(message), ...bytes };
        stream.respond({ ...head, ...status }, { endStream: true });
        return;
      }
      case 'no-answer':
        this.#hangUp(stream);
        return;
      case 'garbage':
        stream.respond({ ':status': answer.status, 'content-type': answer.contentType });
        stream.end(answer.body);
        return;
    }
  }

  /**
   * Closes the connection, if this call is alone on it. Others share it: what strikes one must not strike them, or a
   * fault meant for one would be another's, and another one's in every run.
   */
  #hangUp(stream: ServerHttp2Stream): void {
    const { session } = stream;
    if (session && (this.#sessions.get(session) ?? 0) <= 1) session.destroy();
    else stream.close(H2.NGHTTP2_INTERNAL_ERROR);
  }
}

function toFrame(message: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

/** The one message of a unary call; undefined when its caller left, or speaks another tongue. */
async function readMessage(stream: ServerHttp2Stream): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const isRead = await new Promise<boolean>((resolve) => {
    stream.once('end', () => resolve(true));
    stream.once('close', () => resolve(false));
  });
  if (!isRead) return undefined;
  const body = Buffer.concat(chunks);
  const isWhole = body.length >= HEADER_BYTES && body[0] === 0 && body.readUInt32BE(1) === body.length - HEADER_BYTES;
  if (isWhole) return body.subarray(HEADER_BYTES);
  stream.close(H2.NGHTTP2_PROTOCOL_ERROR);
  return undefined;
}

function statusOf(answer: GrpcAnswer): number {
  if (answer.type === 'message') return 200;
  if (answer.type === 'no-answer') return 0;
  return answer.type === 'status' ? answer.httpStatus : answer.status;
}

function toInternal(error: unknown): GrpcAnswer {
  process.emitWarning(`simcloud has a bug: ${error instanceof Error ? error.stack : String(error)}`);
  return { type: 'status', code: INTERNAL, message: 'an internal error occurred', httpStatus: 500 };
}
