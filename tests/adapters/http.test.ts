import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type HttpCall, HttpClient, type HttpClientOptions, pathOf, toRetryAfterMs } from '../../src/adapters/http.js';
import { HttpFailure } from '../../src/adapters/http-failure.js';
import { registerSecrets } from '../../src/redact.js';
import { calm, closedUrl } from './clouds.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function clientOf(handler: Handler, options: Partial<HttpClientOptions> = {}): Promise<HttpClient> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return client({ baseUrl: `http://127.0.0.1:${port}/v1`, ...options });
}

function client(options: Partial<HttpClientOptions>): HttpClient {
  return new HttpClient({ baseUrl: 'http://nobody.test', authorise: () => ({}), limits: {}, ...options });
}

const reply = z.object({ name: z.string() });
const GET = { method: 'GET', path: '/thing', reply, priority: 'read' } as const;

async function failureOf(work: Promise<unknown>): Promise<HttpFailure> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof HttpFailure)) throw new Error(`not an HttpFailure: ${inspect(error)}`);
  return error;
}

/** fetch, failing as undici does. */
const failing = (cause: unknown): typeof fetch => {
  return () => Promise.reject(Object.assign(new TypeError('fetch failed'), { cause }));
};
const withCode = (code: string, syscall?: string): Error => Object.assign(new Error(code), { code, syscall });

describe('the HTTP client', () => {
  it('sends who we are, a query and JSON, and reads the answer with its request id', async () => {
    const seen: Record<string, unknown> = {};
    const http = await clientOf(
      (request, response) => {
        Object.assign(seen, { url: request.url, key: request.headers['x-key'], type: request.headers['content-type'] });
        request.on('data', (chunk) => Object.assign(seen, { body: String(chunk) }));
        request.on('end', () => {
          response.setHeader('x-request-id', 'req-7');
          response.end('{"name":"it","unknown":1}');
        });
      },
      { authorise: () => ({ 'x-key': 'k' }) },
    );
    const query = { tag: 'a=b', pageToken: undefined };
    const answer = await http.send({ ...GET, method: 'POST', query, body: { x: 1 } }, calm);
    expect(answer).toEqual({ value: { name: 'it' }, requestId: 'req-7' });
    expect(seen).toEqual({ url: '/v1/thing?tag=a%3Db', key: 'k', type: 'application/json', body: '{"x":1}' });
  });

  it('tells of each call how it went, without its query', async () => {
    const calls: HttpCall[] = [];
    const http = await clientOf((_request, response) => response.writeHead(404).end(), {
      onCall: (call) => calls.push(call),
    });
    await failureOf(http.send({ ...GET, query: { secret: 'x' } }, calm));
    expect(calls).toEqual([{ method: 'GET', path: '/thing', status: 404, durationMs: expect.any(Number) }]);
  });

  it('follows no redirect, for a moved create would become a read', async () => {
    let requests = 0;
    const http = await clientOf((_request, response) => {
      requests += 1;
      response.writeHead(302, { location: '/v1/elsewhere' }).end();
    });
    expect(await failureOf(http.send({ ...GET, method: 'POST', body: {} }, calm))).toMatchObject({ status: 302 });
    expect(requests).toBe(1);
  });

  it('repeats nothing', async () => {
    let requests = 0;
    const http = await clientOf((_request, response) => {
      requests += 1;
      response.writeHead(503).end('{}');
    });
    await failureOf(http.send(GET, calm));
    expect(requests).toBe(1);
  });

  it('asks once for a fresh token after a 401, and tries once more', async () => {
    const tokens: string[] = [];
    const asked: boolean[] = [];
    const http = await clientOf(
      (request, response) => {
        tokens.push(String(request.headers.authorization));
        response.writeHead(401).end('{}');
      },
      {
        hasTokens: true,
        authorise: ({ renew }) => {
          asked.push(renew);
          return { authorization: renew ? 'fresh' : 'stale' };
        },
      },
    );
    expect(await failureOf(http.send(GET, calm))).toMatchObject({ status: 401 });
    expect(tokens).toEqual(['stale', 'fresh']);
    expect(asked).toEqual([false, true]);
  });

  it('tries once where there are no tokens', async () => {
    let requests = 0;
    const http = await clientOf((_request, response) => {
      requests += 1;
      response.writeHead(401).end('{}');
    });
    await failureOf(http.send(GET, calm));
    expect(requests).toBe(1);
  });

  it('holds the next request back after a 429 for as long as it was told', async () => {
    let requests = 0;
    const http = await clientOf((_request, response) => {
      requests += 1;
      response.writeHead(429, { 'retry-after': '3600' }).end('{}');
    });
    expect(await failureOf(http.send(GET, calm))).toMatchObject({ status: 429, retryAfterMs: 3_600_000 });
    const cancel = new AbortController();
    const waiting = failureOf(http.send(GET, cancel.signal));
    cancel.abort();
    expect(await waiting).toMatchObject({ reason: 'cancelled', sent: 'not-sent' });
    expect(requests).toBe(1);
  });
});

describe('a call that brings nothing usable', () => {
  it.each([
    ['ECONNREFUSED', withCode('ECONNREFUSED', 'connect')],
    ['ENOTFOUND', withCode('ENOTFOUND', 'getaddrinfo')],
    ['EAI_AGAIN', withCode('EAI_AGAIN', 'getaddrinfo')],
    ['a connect timeout', withCode('UND_ERR_CONNECT_TIMEOUT')],
    ['ETIMEDOUT at connect', withCode('ETIMEDOUT', 'connect')],
    ['no route at connect', withCode('EHOSTUNREACH', 'connect')],
    ['a certificate of somebody else', withCode('ERR_TLS_CERT_ALTNAME_INVALID')],
    [
      'several addresses, all refused',
      new AggregateError([withCode('ECONNREFUSED', 'connect'), withCode('ETIMEDOUT', 'connect')]),
    ],
  ])('was certainly not sent after %s', async (_what, cause) => {
    const http = client({ fetch: failing(cause) });
    expect(await failureOf(http.send(GET, calm))).toMatchObject({ reason: 'connection', sent: 'not-sent' });
  });

  it.each([
    ['ECONNRESET', withCode('ECONNRESET', 'read')],
    ['EPIPE', withCode('EPIPE', 'write')],
    ['ETIMEDOUT on the way', withCode('ETIMEDOUT', 'read')],
    ['the other side closing', withCode('UND_ERR_SOCKET')],
    ['slow headers', withCode('UND_ERR_HEADERS_TIMEOUT')],
    ['one address of several reset', new AggregateError([withCode('ECONNREFUSED', 'connect'), withCode('ECONNRESET')])],
    ['nothing that says why', undefined],
  ])('may have arrived after %s', async (_what, cause) => {
    const http = client({ fetch: failing(cause) });
    expect(await failureOf(http.send(GET, calm))).toMatchObject({ reason: 'connection', sent: 'maybe' });
  });

  it('was not sent when a real port refuses', async () => {
    const http = client({ baseUrl: await closedUrl() });
    expect(await failureOf(http.send(GET, calm))).toMatchObject({
      sent: 'not-sent',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it.each<[string, Handler]>([
    ['a socket destroyed before the answer', (request) => request.socket.destroy()],
    [
      'a socket destroyed within the answer',
      (request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('{"name":', () => request.socket.destroy());
      },
    ],
  ])('may have arrived after %s', async (_what, handler) => {
    const http = await clientOf(handler);
    expect(await failureOf(http.send(GET, calm))).toMatchObject({ reason: 'connection', sent: 'maybe' });
  });

  it.each<[string, Handler]>([
    ['before', () => undefined],
    ['within', (_request, response) => void response.writeHead(200).write('{"name":')],
  ])('may have arrived when time runs out %s the answer', async (_when, handler) => {
    const http = await clientOf(handler, { timeoutMs: 50 });
    expect(await failureOf(http.send(GET, calm))).toMatchObject({ reason: 'timeout', sent: 'maybe' });
  });

  it('may have arrived when its caller cancels it on the way', async () => {
    const cancel = new AbortController();
    const http = await clientOf(() => cancel.abort());
    expect(await failureOf(http.send(GET, cancel.signal))).toMatchObject({ reason: 'cancelled', sent: 'maybe' });
  });

  it('keeps no listener on a signal that outlives it', async () => {
    const http = await clientOf((_request, response) => response.end('{"name":"it"}'));
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...of: Parameters<typeof add>) => {
      listeners += 1;
      add(...of);
    };
    signal.removeEventListener = (...of: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...of);
    };
    for (let i = 0; i < 5; i += 1) await http.send(GET, signal);
    expect(listeners).toBe(0);
  });

  it.each([
    ['a web page', '<!DOCTYPE html><html></html>', true],
    ['half a JSON', '{"name":', false],
    ['another JSON', '{"title":"it"}', false],
  ])('is unreadable when a 200 brings %s', async (_what, body, isHtml) => {
    const http = await clientOf((_request, response) => response.end(body));
    expect(await failureOf(http.send(GET, calm))).toMatchObject({ reason: 'unreadable', sent: 'maybe', isHtml });
  });

  it('never reads an answer that nobody needs', async () => {
    const http = await clientOf((_request, response) => response.writeHead(202).end('<html>'));
    await expect(http.send({ ...GET, reply: undefined }, calm)).resolves.toEqual({ value: undefined });
  });

  it('was not sent when its token could not be had', async () => {
    const down = new HttpFailure('POST /token answered 500', { reason: 'status', sent: 'maybe', status: 500 });
    const http = client({ authorise: () => Promise.reject(down) });
    expect(await failureOf(http.send(GET, calm))).toMatchObject({ sent: 'not-sent', status: 500 });
  });

  it('shows at most 2 KiB of the answer, and that only to who asks, without secrets', async () => {
    registerSecrets(['planted-token-9d1c']);
    const script = 'planted-in-the-request';
    const body = `planted-token-9d1c ${script} ${'x'.repeat(10_000)}`;
    const http = await clientOf((_request, response) => response.writeHead(500).end(body));
    const failure = await failureOf(http.send({ ...GET, conceal: [script, undefined, ''] }, calm));
    expect(failure.excerpt).toMatch(/^\[redacted\] \[redacted\] x/);
    expect(Buffer.byteLength(failure.excerpt)).toBeLessThanOrEqual(2_048);
    for (const shown of [inspect(failure, { depth: 9, showHidden: true }), JSON.stringify(failure), failure.message]) {
      expect(shown).not.toMatch(/planted|xxx/);
    }
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-11-23T09:30:00Z');

  it.each([
    ['7', 7_000],
    ['0', 0],
    ['1.5', 1_500],
    ['Mon, 23 Nov 2026 09:30:10 GMT', 10_000],
    ['Mon, 23 Nov 2026 09:29:00 GMT', 0],
    ['soon', undefined],
    ['-5', undefined],
    ['', undefined],
    [null, undefined],
  ])('of %o is %o ms', (header, expected) => {
    expect(toRetryAfterMs(header, now)).toBe(expected);
  });
});

describe('a path', () => {
  it('holds its values encoded', () => {
    expect(pathOf`/a/${'x/y'}/b/${'1 2'}`).toBe('/a/x%2Fy/b/1%202');
  });

  it.each(['', '.', '..'])('takes no %o, which would lead elsewhere', (value) => {
    expect(() => pathOf`/a/${value}`).toThrow(TypeError);
  });
});
