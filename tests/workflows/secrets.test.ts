import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { SlipwayClient } from '../../src/client/client.js';
import { loadConfig } from '../../src/config.js';
import { instanceWorkflowId, watchWorkflowId } from '../../src/domain/ids.js';
import { openJournal } from '../../src/journal/index.js';
import { createLogger } from '../../src/logging.js';
import { type Simcloud, startSimcloud } from '../../src/simcloud/index.js';
import { makeSshKeyPair } from '../../src/ssh-key-pair.js';
import { startWorker } from '../../src/worker.js';
import { installQuietRuntime, userKey } from '../support/slipway.js';

/** What must never be seen: planted where a real Slipway has them, and echoed back by the provider. */
const API_KEY = `planted-key-${randomBytes(16).toString('hex')}`;
const USER_DATA = `#!/bin/sh\nexport TOKEN=planted-user-data-${randomBytes(16).toString('hex')}\n`;
const USER_DATA_BASE64 = Buffer.from(USER_DATA).toString('base64');
const worker = makeSshKeyPair();
/** The middle of the private key, where no armour is. */
const PRIVATE_KEY = worker.privateKey.split('\n').filter((line) => line.length > 60)[1] ?? 'no private key';

const SECRETS = {
  'the API key': API_KEY,
  'the worker’s private key': PRIVATE_KEY,
};
const ALSO_SECRET = {
  ...SECRETS,
  'the user data': USER_DATA.split('\n')[1] ?? '',
  'the user data in base64': USER_DATA_BASE64.slice(24, -8),
};

/** Everything a secret may hide behind. */
function formsOf(secret: string): string[] {
  return [secret, Buffer.from(secret).toString('base64').slice(0, -4), encodeURIComponent(secret)];
}

/** Also inside what is itself base64, as the payloads of a trace are. */
function leaksIn(raw: string, secrets: Record<string, string> = ALSO_SECRET): string[] {
  const inside = raw.match(/[A-Za-z0-9+/]{60,}={0,2}/g) ?? [];
  const text = [raw, ...inside.map((base64) => Buffer.from(base64, 'base64').toString())].join('\n');
  return Object.entries(secrets).flatMap(([name, secret]) =>
    formsOf(secret).some((form) => text.includes(form)) ? [name] : [],
  );
}

async function bodyOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/**
 * A provider that echoes all it was sent in its errors, as some gateways do: headers, keys and bodies. Every third call
 * of each kind fails so, as JSON or as a page; `refuse` makes all creates of a name fail for good.
 */
async function startEcho(target: string): Promise<{ server: Server; url: string }> {
  const seen = new Map<string, number>();
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const kind = `${request.method} ${request.url?.replace(/i-[0-9a-f]+/, ':id').replace(/\?.*/, '')}`;
    const count = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, count);
    const echo = { headers: request.headers, body, apiKey: API_KEY, privateKey: worker.privateKey };
    const refused = body.includes('"name":"refuse"');
    if (refused || count % 3 === 1) {
      const asPage = !refused && count % 2 === 0;
      const status = refused ? 400 : asPage ? 502 : 500;
      const error = { code: refused ? 'request.invalid' : API_KEY, message: JSON.stringify(echo), field: API_KEY };
      response.writeHead(status, {
        'content-type': asPage ? 'text/html' : 'application/json',
        'x-request-id': API_KEY,
      });
      response.end(asPage ? `<html>${JSON.stringify(echo)}</html>` : JSON.stringify({ error, echo }));
      return;
    }
    const { authorization = '' } = request.headers;
    const answer = await fetch(`${target}${request.url}`, {
      method: request.method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body && { body }),
    });
    // A status that nobody knows becomes `pending` with a message that quotes it.
    response.writeHead(answer.status, { 'content-type': 'application/json', 'x-request-id': `req-${count}` });
    response.end(await answer.text());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('planted secrets', () => {
  const lines: string[] = [];
  let folder: string;
  let cloud: Simcloud;
  let echo: Awaited<ReturnType<typeof startEcho>>;
  let connection: Connection;
  let temporal: Client;
  let client: SlipwayClient;
  let running: Awaited<ReturnType<typeof startWorker>>;
  const taskQueue = `secrets-${randomBytes(4).toString('hex')}`;
  const cloudCredRefId = `sim-${taskQueue}`;

  beforeAll(async () => {
    installQuietRuntime(
      createLogger({ level: 'trace', name: 'sdk', destination: { write: (line) => lines.push(line) } }),
    );
    folder = await mkdtemp(join(tmpdir(), 'slipway-secrets-'));
    cloud = await startSimcloud({ accounts: [{ apiKey: API_KEY, name: 'default' }] });
    echo = await startEcho(cloud.url);
    const credential = { cloudCredRefId, provider: 'sim', apiUrl: `${echo.url}/sim/v1`, pollIntervalMs: 200 };
    await writeFile(join(folder, 'credentials.json'), JSON.stringify([{ ...credential, apiKey: API_KEY }]));
    await writeFile(join(folder, 'key'), worker.privateKey);
    await writeFile(join(folder, 'keys.json'), JSON.stringify({ default: 'key' }));
    const config = loadConfig({
      SLIPWAY_CREDENTIALS: join(folder, 'credentials.json'),
      SLIPWAY_SSH_KEYS: join(folder, 'keys.json'),
      SLIPWAY_TASK_QUEUE: taskQueue,
      SLIPWAY_LOG_LEVEL: 'trace',
      SLIPWAY_JOURNAL_URL: join(folder, 'journal.db'),
    });
    const address = inject('temporalAddress');
    const logger = createLogger({ level: 'trace', name: 'worker', destination: { write: (line) => lines.push(line) } });
    running = await startWorker({
      config,
      connectionOptions: { address },
      namespace: 'default',
      logger,
      bundle: { codePath: inject('workflowBundle') },
    });
    connection = await Connection.connect({ address });
    temporal = new Client({ connection });
    client = new SlipwayClient({ client: temporal, taskQueue });
  });
  afterAll(async () => {
    await running?.stop();
    await connection?.close();
    echo?.server.close();
    await cloud?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('are in no history, event, answer, error, log line or journal row', async () => {
    const request = (name: string) => ({
      refId: `${name}-${taskQueue}`,
      name,
      publicKey: userKey.publicKey,
      offers: [{ cloudCredRefId, location: 'us-west-1', instanceType: 'gpu_1x_a10' }],
      userDataBase64: USER_DATA_BASE64,
      policy: { pendingToRunning: '60s' },
    });
    const lived = request('lived');
    await client.provision(lived);
    await client.waitFor(lived.refId, 'ready', { timeoutMs: 60_000 });
    await client.updateTags(lived.refId, { tags: { team: 'b' } });
    await client.stop(lived.refId);
    await client.waitFor(lived.refId, 'stopped', { timeoutMs: 60_000 });
    await client.start(lived.refId);
    await client.waitFor(lived.refId, 'ready', { timeoutMs: 60_000 });
    const refused = request('refuse');
    await client.provision(refused);
    const parked = await client.waitFor(refused.refId, 'parked', { timeoutMs: 60_000 });
    expect(parked.failure?.kind).toBe('InvalidRequest');

    const errors = await Promise.all([
      client.provision({ ...lived, name: 'another' }).catch((error: unknown) => error),
      client.provision({ ...lived, refId: 'a/b', publicKey: worker.privateKey }).catch((error: unknown) => error),
      client.start(refused.refId).catch((error: unknown) => error),
      client.waitFor(refused.refId, 'ready').catch((error: unknown) => error),
      client.setFirewallRules(lived.refId, { firewallRules: { x: API_KEY } as never }).catch((error: unknown) => error),
    ]);
    for (const error of errors) {
      expect(error).toBeInstanceOf(Error);
      expect(leaksIn(`${inspect(error, { depth: 9 })} ${JSON.stringify(error)}`)).toEqual([]);
    }

    for (const { refId } of [lived, refused]) {
      expect(leaksIn(JSON.stringify([await client.describe(refId), await client.events(refId)]))).toEqual([]);
      const details = await temporal.workflow
        .getHandle(instanceWorkflowId(refId))
        .query('__temporal_workflow_metadata');
      expect(leaksIn(JSON.stringify(details))).toEqual([]);
    }
    expect(leaksIn(JSON.stringify(await client.list({ all: true })))).toEqual([]);

    await client.terminate(lived.refId);
    await client.waitFor(lived.refId, 'terminated', { timeoutMs: 60_000 });
    await client.terminate(refused.refId);
    for (const workflowId of [
      instanceWorkflowId(lived.refId),
      instanceWorkflowId(refused.refId),
      watchWorkflowId(cloudCredRefId),
    ]) {
      const history = JSON.parse(historyToJSON(await temporal.workflow.getHandle(workflowId).fetchHistory()));
      for (const event of history.events) {
        // User data has two places: where it was sent to us, and where we hand it on. It is nowhere else.
        const { type } = decoded(event);
        const mayHoldUserData =
          type.endsWith('EXECUTION_STARTED') ||
          event.activityTaskScheduledEventAttributes?.activityType?.name === 'createInstance';
        const secrets = mayHoldUserData ? SECRETS : ALSO_SECRET;
        expect(leaksIn(decoded(event).text, secrets), `${workflowId} ${type}`).toEqual([]);
      }
    }

    const journal = await openJournal(join(folder, 'journal.db'));
    await vi.waitFor(
      async () => {
        for (const { refId } of [lived, refused]) {
          expect((await journal.read(refId)).at(-1)?.event.type).toBe('InstanceTerminated');
        }
      },
      { timeout: 20_000 },
    );
    const rows = [await journal.readAll({ limit: 1_000 }), await journal.instances(), await journal.attempts()];
    expect(leaksIn(JSON.stringify(rows))).toEqual([]);
    await journal.close();
    for (const file of await readdir(folder)) {
      if (!file.startsWith('journal')) continue; // also what the read models and the database itself keep
      expect(leaksIn(await readFile(join(folder, file), 'latin1')), file).toEqual([]);
    }

    const log = lines.join('');
    expect(log.includes('"msg":"Worker is polling"'), 'the log was really captured').toBe(true);
    expect(log.includes('"level":"trace"') || log.includes('"level":"debug"'), 'to the last line').toBe(true);
    expect(log.includes('answered 500'), 'and the provider really failed').toBe(true);
    expect(leaksIn(log)).toEqual([]);
  });
});

/** An event with its payloads as text. */
function decoded(event: { eventType: string }): { type: string; text: string } {
  const text = JSON.stringify(event, (key, value) =>
    key === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString() : value,
  );
  return { type: event.eventType, text: `${text} ${JSON.stringify(event)}` };
}
