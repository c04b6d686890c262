import { sql } from 'kysely';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Journal,
  JournalInvalid,
  startWebhooks,
  type WebhookEndpoint,
  type WebhookSink,
  type WebhookSinkOptions,
} from '../../src/journal/index.js';
import { parseRetryAfter, retryGap } from '../../src/journal/webhook-delivery.js';
import { endpointIssues } from '../../src/journal/webhook-endpoint.js';
import { onBothEngines } from './support/engines.js';
import { SHAPES, stamp, west } from './support/lives.js';
import { type Answer, type Received, SECRET, startReceiver } from './support/receiver.js';

const FAST = { pollMs: 10, retries: { firstMs: 5, maxMs: 20, tries: 4 } } as const;

const running: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.close();
});

async function receiver(answer?: (received: Received, nth: number) => Answer) {
  const started = await startReceiver(answer);
  running.push(started);
  return started;
}

function sink(
  journal: Journal,
  endpoint: Partial<WebhookEndpoint> & { url: string },
  more: Partial<WebhookSinkOptions> = {},
): WebhookSink {
  const started = startWebhooks(journal, {
    ...FAST,
    endpoints: [{ id: 'main', secrets: [SECRET], from: 'start', ...endpoint }],
    ...more,
  });
  running.push(started);
  return started;
}

const ready = (refId: string) => stamp(SHAPES.ready?.(refId, west) ?? []);

/** The ids by instance, in the order of their arrival, each at its first. */
function arrivals(received: readonly Received[]): Record<string, number[]> {
  const orders: Record<string, number[]> = {};
  for (const { id } of received) {
    const [refId = '', seq] = id.split('/');
    const order = orders[refId] ?? [];
    orders[refId] = order.includes(Number(seq)) ? order : [...order, Number(seq)];
  }
  return orders;
}

/** Until the sink has recorded that everything up to there is delivered. */
async function settled(journal: Journal, position: number): Promise<void> {
  await expect
    .poll(() => journal.webhooks.cursors(), { timeout: 10_000, interval: 5 })
    .toMatchObject([{ position, retrying: 0 }]);
}

onBothEngines((engine) => {
  it('delivers every event signed, as CloudEvents, in order per instance', async () => {
    const { journal } = await engine.newJournal();
    const { url, received, forged } = await receiver();
    await Promise.all(['a', 'b', 'c'].map((refId) => journal.append(refId, ready(refId))));
    sink(journal, { url });
    await settled(journal, 18);
    await journal.append('d', ready('d'));
    await settled(journal, 24);
    expect(forged).toEqual([]);
    const order = [1, 2, 3, 4, 5, 6];
    expect(arrivals(received)).toEqual({ a: order, b: order, c: order, d: order });
    expect(received).toHaveLength(24);
    expect(received[0]?.headers['content-type']).toContain('application/cloudevents+json');
  });

  it('tries again with growing gaps, and holds back only the instance that failed', async () => {
    const { journal } = await engine.newJournal();
    const { url, received } = await receiver(({ id }, nth) => (id === 'a/2' && nth < 4 ? 500 : 204));
    await journal.append('a', ready('a'));
    await journal.append('b', ready('b'));
    sink(journal, { url });
    await settled(journal, 12);
    expect(arrivals(received)).toEqual({ a: [1, 2, 3, 4, 5, 6], b: [1, 2, 3, 4, 5, 6] });
    const tried = received.filter(({ id }) => id === 'a/2');
    expect(tried).toHaveLength(4);
    const firstOfA3 = received.findIndex(({ id }) => id === 'a/3');
    expect(received.slice(firstOfA3).some(({ id }) => id === 'a/2')).toBe(false);
  });

  it('waits as long as the endpoint asks', async () => {
    const { journal } = await engine.newJournal();
    const busy = { status: 429, headers: { 'retry-after': '1' } };
    const { url, received } = await receiver((_received, nth) => (nth === 1 ? busy : 204));
    await journal.append('a', ready('a').slice(0, 1));
    sink(journal, { url });
    await settled(journal, 1);
    expect((received[1]?.at ?? 0) - (received[0]?.at ?? 0)).toBeGreaterThanOrEqual(990);
  });

  it('gives up after so many tries: a dead letter that can be listed and sent again', async () => {
    const { journal } = await engine.newJournal();
    let broken = true;
    const { url, received, until } = await receiver(({ id }) => (broken && id === 'a/2' ? 503 : 204));
    await journal.append('a', ready('a'));
    const warned: object[] = [];
    sink(journal, { url }, { log: { warn: (fields) => warned.push(fields) } });
    await settled(journal, 6);
    expect(received.filter(({ id }) => id === 'a/2')).toHaveLength(4);
    expect(arrivals(received).a).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await journal.webhooks.deadLetters()).toMatchObject([
      { endpoint: 'main', position: 2, refId: 'a', tries: 4, lastError: 'HTTP 503' },
    ]);
    expect(warned).toMatchObject([{ endpoint: 'main', position: 2 }]);
    broken = false;
    expect(await journal.webhooks.replay('main', [3])).toBe(0);
    expect(await journal.webhooks.replay('main')).toBe(1);
    await until(() => received.filter(({ id }) => id === 'a/2').length === 5);
    await settled(journal, 6);
    expect(await journal.webhooks.deadLetters({ endpoint: 'main' })).toEqual([]);
  });

  it('goes on where another process stopped, and gives way to one that holds the lease', async () => {
    const { journal, url: database } = await engine.newJournal();
    const { url, received } = await receiver();
    await journal.append('a', ready('a'));
    const first = sink(journal, { url });
    await settled(journal, 6);
    await first.close();
    await journal.append('b', ready('b'));
    const others = await Promise.all([engine.open(database), engine.open(database)]);
    for (const other of others) sink(other, { url });
    await settled(journal, 12);
    await journal.append('c', ready('c'));
    await settled(journal, 18);
    expect(received).toHaveLength(18); // no one's twice: only one of them delivered at a time
  });

  it('takes over from a process that died, once its lease has run out, and sends again what was not settled', async () => {
    const { journal } = await engine.newJournal();
    await journal.append('a', ready('a'));
    await journal.webhooks.claim('main', { owner: 'somebody who died', leaseMs: 150, from: 'start' });
    const { url, received } = await receiver();
    const begun = Date.now();
    sink(journal, { url });
    await settled(journal, 6);
    expect(received.length).toBe(6);
    expect((received[0]?.at ?? 0) - begun).toBeGreaterThanOrEqual(100);
    const lost = { position: 0, delivered: [], waiting: [] };
    expect(await journal.webhooks.settle('main', 'somebody who died', lost)).toBe(false);
  });

  it('loses nothing when it is stopped in the middle of a delivery', async () => {
    const { journal } = await engine.newJournal();
    let hang = true;
    const { url, received, until } = await receiver(({ id }) => (hang && id === 'a/3' ? 'hang' : 204));
    await journal.append('a', ready('a'));
    await journal.append('b', ready('b'));
    const first = sink(journal, { url });
    await until(() => received.some(({ id }) => id === 'a/3') && received.some(({ id }) => id === 'b/6'));
    await first.close();
    hang = false;
    sink(journal, { url });
    await settled(journal, 12);
    expect(arrivals(received)).toEqual({ a: [1, 2, 3, 4, 5, 6], b: [1, 2, 3, 4, 5, 6] });
  });

  it('begins a new endpoint with what happens from now on, and sends only the types it wants', async () => {
    const { journal } = await engine.newJournal();
    const { url, received } = await receiver();
    await journal.append('a', ready('a'));
    sink(journal, { url, from: 'now', types: ['InstanceReady'] });
    await settled(journal, 6);
    await journal.append('b', ready('b'));
    await settled(journal, 12);
    expect(received.map(({ id }) => id)).toEqual(['b/6']);
  });

  it('takes a redirect for a failure, and never follows it', async () => {
    const { journal } = await engine.newJournal();
    const inside = await receiver();
    const { url } = await receiver(() => ({ status: 307, headers: { location: inside.url } }));
    await journal.append('a', ready('a').slice(0, 1));
    sink(journal, { url });
    await settled(journal, 1);
    expect(inside.received).toEqual([]);
    expect(await journal.webhooks.deadLetters()).toMatchObject([{ lastError: 'HTTP 307' }]);
  });

  it('gives up on an endpoint that does not answer in time', async () => {
    const { journal } = await engine.newJournal();
    const { url } = await receiver(() => 'hang');
    await journal.append('a', ready('a').slice(0, 1));
    sink(journal, { url }, { timeoutMs: 20 });
    await settled(journal, 1);
    expect(await journal.webhooks.deadLetters()).toMatchObject([{ lastError: 'no answer in time' }]);
  });

  it('keeps no secret in the database', async () => {
    const { journal, url: database } = await engine.newJournal();
    const { url } = await receiver(() => 500);
    await journal.append('a', ready('a').slice(0, 1));
    sink(journal, { url });
    await settled(journal, 1);
    for (const table of ['journal_webhook', 'journal_webhook_delivery']) {
      const text = JSON.stringify(await engine.query(database, sql`select * from ${sql.raw(table)}`));
      expect(text).not.toContain(SECRET);
      expect(text).not.toContain('planted');
    }
  });
});

describe('the gap before the next try', () => {
  const retries = { tries: 30, firstMs: 1_000, maxMs: 600_000 };

  it('grows, up to a longest, with up to half of it taken off at random', () => {
    const longest = [1, 2, 3, 4, 5, 6, 7, 8, 29].map((tries) => retryGap(tries, retries, 0, () => 0));
    expect(longest).toEqual([1_000, 3_000, 9_000, 27_000, 81_000, 243_000, 600_000, 600_000, 600_000]);
    expect(retryGap(3, retries, 0, () => 1)).toBe(4_500);
  });

  it('is at least as long as the endpoint asked, up to an hour', () => {
    expect(retryGap(1, retries, 60_000, () => 0)).toBe(60_000);
    expect(retryGap(4, retries, 100, () => 0)).toBe(27_000);
    expect(retryGap(1, retries, 86_400_000, () => 0)).toBe(3_600_000);
  });

  it('reads Retry-After as seconds or as a date', () => {
    expect(parseRetryAfter('120')).toBe(120_000);
    expect(parseRetryAfter('Sun, 01 Mar 2026 12:00:30 GMT', Date.parse('2026-03-01T12:00:00Z'))).toBe(30_000);
    expect(parseRetryAfter('Sun, 01 Mar 2026 11:00:00 GMT', Date.parse('2026-03-01T12:00:00Z'))).toBe(0);
    expect(parseRetryAfter('soon')).toBeUndefined();
    expect(parseRetryAfter(null)).toBeUndefined();
  });
});

describe('an endpoint', () => {
  const good: WebhookEndpoint = { id: 'main', url: 'https://hooks.example/slipway', secrets: [SECRET] };

  it.each<[string, Partial<WebhookEndpoint>, string | undefined]>([
    ['https', {}, undefined],
    ['http to this machine', { url: 'http://127.0.0.1:80/' }, undefined],
    ['http where the network is trusted', { url: 'http://10.0.0.1/', allowHttp: true }, undefined],
    ['plain http', { url: 'http://hooks.example/' }, 'url'],
    ['a name that only looks local', { url: 'http://localhost.evil.example/' }, 'url'],
    ['another scheme', { url: 'file:///etc/passwd' }, 'url'],
    ['a password in the address', { url: 'https://user:pw@hooks.example/' }, 'url'],
    ['no secret', { secrets: [] }, 'secrets'],
    ['a short secret', { secrets: ['whsec_c2hvcnQ='] }, 'secrets'],
    ['a secret without its prefix', { secrets: [SECRET.slice(6)] }, 'secrets'],
    ['an id with a slash', { id: 'a/b' }, 'id'],
  ])('with %s', (_name, change, field) => {
    const issues = endpointIssues({ ...good, ...change });
    expect(issues.map((issue) => issue.split(':')[0])).toEqual(field === undefined ? [] : [field]);
    expect(issues.join()).not.toContain(SECRET);
  });

  it('that is wrong is refused at the start, with every issue and no secret', () => {
    const endpoints = [{ ...good, secrets: ['planted-secret'] }, good];
    const start = () => startWebhooks({} as Journal, { endpoints });
    expect(start).toThrow(JournalInvalid);
    expect(start).toThrow(/webhooks\[0\]\.secrets.*webhooks\[1\]\.id: is taken/);
    expect(start).not.toThrow(/planted/);
  });
});
