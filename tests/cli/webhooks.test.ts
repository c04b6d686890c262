import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import getPort from 'get-port';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DeadLetter, WebhookCursor } from '../../src/journal/index.js';
import { type Engine, onBothEngines } from '../journal/support/engines.js';
import { SHAPES, stamp, west } from '../journal/support/lives.js';
import { PASSWORD } from '../journal/support/postgres.js';
import { type Answer, type Received, SECRET, startReceiver } from '../journal/support/receiver.js';
import { collect, end, runCli, startCli, written } from './run-cli.js';

let folder = '';
const running: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-cli-webhooks-'));
});
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const life = (refId: string) => stamp(SHAPES.ready?.(refId, west) ?? []);
const POLL = { timeout: 60_000, interval: 20 };

/** The environment of a sender to these addresses. */
async function envFor(journal: string, endpoints: { id: string; url: string }[]): Promise<Record<string, string>> {
  const file = join(folder, 'webhooks.json');
  const entries = endpoints.map((one) => ({ ...one, secret: { env: 'HOOK_SECRET' }, from: 'start' }));
  await writeFile(file, JSON.stringify(entries));
  return { SLIPWAY_JOURNAL_URL: journal, SLIPWAY_WEBHOOKS: file, HOOK_SECRET: SECRET };
}

/** A sender under way. */
async function start(env: Record<string, string>, ...args: string[]) {
  const child = startCli(['webhooks', 'run', ...args], { env });
  const output = collect(child);
  running.push(() => end(child, 'SIGKILL'));
  await written(child, output, /Webhooks are delivered/);
  return { child, output };
}

async function receiver(answer?: (received: Received, nth: number) => Answer) {
  const started = await startReceiver(answer);
  running.push(() => started.close());
  return started;
}

async function cursors(engine: Engine, url: string): Promise<WebhookCursor[]> {
  const journal = await engine.open(url);
  return await journal.webhooks.cursors();
}

onBothEngines((engine) => {
  it('delivers every event, signed so that the standard’s own library accepts it, and stops in order', async () => {
    const { journal, url } = await engine.newJournal();
    await journal.append('a', life('a'));
    const { url: hook, received, forged } = await receiver();
    const { child, output } = await start(await envFor(url, [{ id: 'main', url: hook }]));
    await expect.poll(() => received.length, POLL).toBe(6);
    await journal.append('b', life('b'));
    await expect.poll(() => received.map(({ id }) => id).filter((id) => id.startsWith('b/')).length, POLL).toBe(6);
    expect(forged).toEqual([]);
    expect(received[0]?.event).toMatchObject({ specversion: '1.0', subject: 'a', data: { type: 'InstanceRequested' } });
    await expect.poll(() => cursors(engine, url), POLL).toMatchObject([{ position: 12, retrying: 0, dead: 0 }]);
    expect(await end(child, 'SIGTERM')).toBe(0);
    expect(output.stdout).toBe('');
    expect(output.stderr).not.toContain(SECRET);
    expect(output.stderr).not.toContain(PASSWORD);
  }, 120_000);

  it('tries again while a receiver is down, from where another sender was killed', async () => {
    const { journal, url } = await engine.newJournal();
    const port = await getPort();
    const env = await envFor(url, [{ id: 'main', url: `http://127.0.0.1:${port}/hook` }]);
    await journal.append('a', life('a'));
    const first = await start(env);
    await expect.poll(() => cursors(engine, url), POLL).toMatchObject([{ position: 6, retrying: 6 }]);
    await end(first.child, 'SIGKILL');
    const { received, forged } = await startReceiver(undefined, port).then((started) => {
      running.push(() => started.close());
      return started;
    });
    await start(env); // waits for the lease of the dead one to run out
    await expect.poll(() => cursors(engine, url), POLL).toMatchObject([{ position: 6, retrying: 0, dead: 0 }]);
    expect(received.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6].map((seq) => `a/${seq}`));
    expect(forged).toEqual([]);
  }, 120_000);

  it('gives up after so many tries, lists what was given up, and sends again one, several or all', async () => {
    const { journal, url } = await engine.newJournal();
    await journal.append('a', life('a'));
    let broken = true;
    const lame = ['a/2', 'a/3', 'a/5'];
    const hook = await receiver(({ id }) => (broken && lame.includes(id) ? 503 : 204));
    const { received, forged } = hook;
    const env = await envFor(url, [{ id: 'main', url: hook.url }]);
    const sender = await start(env, '--tries', '2');
    await expect.poll(() => cursors(engine, url), POLL).toMatchObject([{ position: 6, retrying: 0, dead: 3 }]);
    expect(lame.map((id) => received.filter((one) => one.id === id).length)).toEqual([2, 2, 2]);
    expect(sender.output.stderr).toContain('dead letter');
    broken = false;
    received.length = 0;

    const letters = async (...args: string[]) => await runCli(['webhooks', 'dead-letters', ...args], { env });
    const listed = async (...args: string[]) => JSON.parse((await letters('--json', ...args)).stdout) as DeadLetter[];
    expect(await listed()).toMatchObject([
      { id: 'main/2', endpoint: 'main', position: 2, refId: 'a', tries: 2, lastError: 'HTTP 503' },
      { id: 'main/3' },
      { id: 'main/5' },
    ]);
    expect((await letters()).stdout).toMatch(/^main\/2 +a +\S+ +2 +HTTP 503$/m);
    expect(await listed('--endpoint', 'other')).toEqual([]);

    const retry = await letters('--retry', 'main/3', '--json');
    expect(JSON.parse(retry.stdout)).toEqual({ retried: 1 });
    await expect.poll(() => received.map(({ id }) => id), POLL).toEqual(['a/3']);
    expect((await letters('--all', '--endpoint', 'other')).stdout).toMatch(/^0 /);
    expect((await letters('--all')).stdout).toMatch(/^2 deliveries/);
    await expect.poll(() => received.map(({ id }) => id), POLL).toEqual(['a/3', 'a/2', 'a/5']);
    expect(forged).toEqual([]);
    await expect.poll(() => listed(), POLL).toEqual([]);
    expect(await letters('--retry', 'main/3')).toMatchObject({ code: 2, stderr: expect.stringContaining('main/3') });
  }, 120_000);
});

describe('slipway webhooks', () => {
  it('says with 2 everything that is wrong with its configuration, and no secret', async () => {
    const file = join(folder, 'bad.json');
    await writeFile(
      file,
      JSON.stringify([
        { id: 'a', url: 'http://hooks.example/', secret: SECRET },
        { id: 'b', url: 'https://hooks.example/', secret: 'planted' },
      ]),
    );
    const env = { SLIPWAY_JOURNAL_URL: join(folder, 'journal.db'), SLIPWAY_WEBHOOKS: file };
    const { code, stderr } = await runCli(['webhooks', 'run'], { env });
    expect(code).toBe(2);
    expect(stderr).toContain('[0].url');
    expect(stderr).toContain('[1].secret');
    expect(stderr).not.toContain('planted');
    expect(stderr).not.toContain(SECRET);
  });

  it('has nothing to do without endpoints, or without a journal', async () => {
    const none = await runCli(['webhooks', 'run'], { env: { SLIPWAY_JOURNAL_URL: join(folder, 'journal.db') } });
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('SLIPWAY_WEBHOOKS') });
    const env = await envFor('', [{ id: 'main', url: 'https://hooks.example/' }]);
    expect(await runCli(['webhooks', 'run'], { env })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('SLIPWAY_JOURNAL_URL'),
    });
    expect((await runCli(['webhooks', 'dead-letters', '--retry', 'main', '--all'], { env })).code).toBe(2);
    expect((await runCli(['webhooks', 'dead-letters', '--retry', 'nonsense'], { env })).code).toBe(2);
  });
});
