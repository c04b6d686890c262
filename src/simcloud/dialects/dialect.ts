import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Cloud } from '../cloud.js';
import type { CloudError } from '../errors.js';
import type { Outcome } from '../gate.js';
import type { GrpcMethods } from '../grpc.js';

/** One vendor's wire format over the core: it parses, calls `cloud.perform`, and renders. It decides nothing. */
export interface Dialect {
  name: string;
  /** Where it answers, below the cloud's URL: `/sim/v1`. */
  prefix: string;
  /** Adds its routes; paths are relative to the prefix. */
  register(app: FastifyInstance, cloud: Cloud): void;
  /** Of a vendor that speaks gRPC: its methods, at the cloud's address without a prefix. */
  methods?(cloud: Cloud): GrpcMethods;
}

/** How one dialect says what happened. */
export interface Rendering<T> {
  status: number;
  body: (value: T) => unknown;
  /** `contentType`: of a body that is no JSON. */
  refusal: (error: CloudError) => { status: number; body: unknown; contentType?: string };
}

/** Puts an outcome on an HTTP wire. A caller who gets no answer finds the connection closed. */
export async function sendOutcome<T>(reply: FastifyReply, outcome: Outcome<T>, rendering: Rendering<T>): Promise<void> {
  switch (outcome.type) {
    case 'done': {
      const body = rendering.body(outcome.value);
      await (body === undefined ? reply.code(rendering.status).send() : reply.code(rendering.status).send(body));
      return;
    }
    case 'refused': {
      const { status, body, contentType } = rendering.refusal(outcome.error);
      const { retryAfterSeconds } = outcome.error.details;
      if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
      if (contentType) reply.header('content-type', contentType);
      await reply.code(status).send(body);
      return;
    }
    case 'no-answer':
      reply.hijack();
      reply.raw.socket?.destroy();
      return;
    case 'garbage':
      await reply.code(outcome.status).header('content-type', outcome.contentType).send(outcome.body);
      return;
  }
}

/** `Authorization: Bearer <key>`; undefined when there is none. */
export function bearerToken(request: FastifyRequest): string | undefined {
  return /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
}
