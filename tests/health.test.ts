import { afterEach, describe, expect, it } from 'vitest';
import { type Health, type HealthServer, STARTING, serveHealth, toHealthAddress, toHealthUrl } from '../src/health.js';

const WELL: Health = { state: 'RUNNING', isPolling: true, isTemporalReachable: true };

let server: HealthServer | undefined;
afterEach(() => server?.close());

async function ask(path: '/live' | '/ready', health: Health) {
  server = await serveHealth({ host: '127.0.0.1', port: 0 }, async () => health);
  const answer = await fetch(toHealthUrl(server.address, path));
  return { status: answer.status, body: await answer.json() };
}

describe('a worker that is asked whether it is ready', () => {
  it('says yes while it polls and Temporal answers', async () => {
    expect(await ask('/ready', WELL)).toEqual({ status: 200, body: { ready: true, ...WELL } });
  });

  it.each<[string, Health]>([
    ['it has not started', STARTING],
    ['it is on its way out', { ...WELL, state: 'DRAINING' }],
    ['a poller has failed', { ...WELL, isPolling: false }],
    ['Temporal does not answer', { ...WELL, isTemporalReachable: false }],
  ])('says no while %s', async (_when, health) => {
    expect(await ask('/ready', health)).toEqual({ status: 503, body: { ready: false, ...health } });
  });
});

describe('a worker that is asked whether it lives', () => {
  it.each<[string, Health]>([
    ['starts', STARTING],
    ['cannot reach Temporal: to restart it would not help', { ...WELL, isTemporalReachable: false }],
  ])('says yes while it %s', async (_when, health) => {
    expect((await ask('/live', health)).status).toBe(200);
  });

  it('says no when it has failed', async () => {
    expect((await ask('/live', { ...WELL, state: 'FAILED' })).status).toBe(503);
  });
});

it('tells nothing else', async () => {
  server = await serveHealth({ host: '127.0.0.1', port: 0 }, async () => WELL);
  expect((await fetch(toHealthUrl(server.address, '/live').replace('/live', '/'))).status).toBe(404);
});

describe('the address of a health check', () => {
  it.each([
    ['8090', { host: '127.0.0.1', port: 8090 }, 'http://127.0.0.1:8090/live'],
    ['0.0.0.0:8090', { host: '0.0.0.0', port: 8090 }, 'http://127.0.0.1:8090/live'],
    ['10.0.0.7:80', { host: '10.0.0.7', port: 80 }, 'http://10.0.0.7:80/live'],
    ['[::]:8090', { host: '::', port: 8090 }, 'http://[::1]:8090/live'],
  ])('%s is understood, and can be asked', (text, address, url) => {
    expect(toHealthAddress(text)).toEqual(address);
    expect(toHealthUrl(address, '/live')).toBe(url);
  });

  it.each(['', 'host', '70000', 'host:', '::1:80'])('%j is none', (text) => {
    expect(toHealthAddress(text)).toBeUndefined();
  });
});
