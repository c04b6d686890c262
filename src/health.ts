/**
 * A worker's answer to whoever asks whether it works: Docker's HEALTHCHECK, an orchestrator's probes, a person.
 *
 *   GET /live    200 unless the worker has failed. Only our own process is asked: a restart mends nothing else.
 *   GET /ready   200 while it takes work: both pollers are at it, and Temporal answers; else 503.
 *
 * Both say what they saw, as JSON. No secret is in it, and nobody is asked who they are: bind it where probes come from.
 */
import { createServer } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';

export interface Health {
  /** `STARTING`, then the SDK's own words: `RUNNING`, `STOPPING`, `DRAINING`, `STOPPED`, `FAILED`, … */
  state: string;
  /** Does it poll for workflow and activity tasks? */
  isPolling: boolean;
  /** Has Temporal just answered it? */
  isTemporalReachable: boolean;
}

export interface HealthAddress {
  host: string;
  port: number;
}

export const STARTING: Health = { state: 'STARTING', isPolling: false, isTemporalReachable: false };

export function isReady({ state, isPolling, isTemporalReachable }: Health): boolean {
  return state === 'RUNNING' && isPolling && isTemporalReachable;
}

/** `host:port`, `[v6]:port`, or a port alone, which is on loopback. @returns undefined when it is none of these. */
export function toHealthAddress(text: string): HealthAddress | undefined {
  const match = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  if (!match || port > 65_535) return undefined;
  return { host: match[1] ?? match[2] ?? '127.0.0.1', port };
}

/** Where a process on the same computer asks: an address that means "all of mine" is none to connect to. */
export function toHealthUrl({ host, port }: HealthAddress, path: '/live' | '/ready'): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${isIPv6(reachable) ? `[${reachable}]` : reachable}:${port}${path}`;
}

export interface HealthServer {
  /** With the port that was given, for port 0. */
  address: HealthAddress;
  close(): Promise<void>;
}

/** @throws when the address is taken or not ours. */
export async function serveHealth(address: HealthAddress, look: () => Promise<Health>): Promise<HealthServer> {
  const server = createServer(async (request, reply) => {
    const path = request.url?.split('?')[0];
    if (path !== '/live' && path !== '/ready') return reply.writeHead(404).end();
    const health = await look();
    const isWell = path === '/ready' ? isReady(health) : health.state !== 'FAILED';
    reply.writeHead(isWell ? 200 : 503, { 'content-type': 'application/json' });
    reply.end(`${JSON.stringify({ ready: isReady(health), ...health })}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(address.port, address.host, resolve);
  });
  server.unref(); // never what keeps a worker from ending
  const { port } = server.address() as AddressInfo;
  return {
    address: { ...address, port },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
