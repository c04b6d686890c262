import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import type { CloudEvent } from '../../../src/journal/index.js';

export const SECRET = `whsec_${Buffer.from('planted-webhook-secret-32-bytes!').toString('base64')}`;

export interface Received {
  id: string;
  event: CloudEvent;
  headers: IncomingMessage['headers'];
  at: number;
}

/** What the receiver answers: a status, with headers if need be; `hang` never answers. */
export type Answer = number | { status: number; headers: Record<string, string> } | 'hang';

/** A webhook's receiver on loopback, which checks every signature with the standard's own library. */
export async function startReceiver(answer: (received: Received, nth: number) => Answer = () => 204, port = 0) {
  const received: Received[] = [];
  const forged: string[] = [];
  const attempts = new Map<string, number>();
  const watchers = new Set<() => void>();
  const server = createServer((request, response) => {
    void take(request, response);
  });
  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const id = String(request.headers['webhook-id']);
    try {
      new Webhook(SECRET).verify(body, request.headers as Record<string, string>);
    } catch {
      forged.push(id);
    }
    const nth = (attempts.get(id) ?? 0) + 1;
    attempts.set(id, nth);
    const one: Received = { id, event: JSON.parse(body) as CloudEvent, headers: request.headers, at: Date.now() };
    received.push(one);
    for (const wake of watchers) wake();
    const reply = answer(one, nth);
    if (reply === 'hang') return;
    const { status, headers } = typeof reply === 'number' ? { status: reply, headers: {} } : reply;
    response.writeHead(status, headers).end();
  }
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    forged,
    /** Resolves once the condition holds; looked at after each request. */
    until: async (condition: () => boolean) => {
      while (!condition()) {
        await new Promise<void>((resolve) => {
          const wake = () => {
            watchers.delete(wake);
            resolve();
          };
          watchers.add(wake);
        });
      }
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
