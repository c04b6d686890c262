import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { defineSearchAttributeKey, TypedSearchAttributes } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SEARCH_ATTRIBUTES } from '../../src/domain/search-attributes.js';
import { findTemporalCli } from '../../src/temporal/cli-binary.js';
import { connectClient } from '../../src/temporal/connection.js';
import { type DevServer, DevServerFailed, startDevServer } from '../../src/temporal/dev-server.js';
import { ensureSearchAttributes } from '../../src/temporal/search-attributes.js';
import { until } from '../../src/temporal/until.js';

const phase = defineSearchAttributeKey(SEARCH_ATTRIBUTES.phase, 'KEYWORD');
const folder = mkdtempSync(join(tmpdir(), 'slipway-dev-server-'));
const started: DevServer[] = [];
let cliPath: string;

/** Seconds on a busy machine; under one on a quiet one. */
vi.setConfig({ testTimeout: 30_000 });

/** Minutes on a machine that has none yet. */
beforeAll(async () => {
  cliPath = await findTemporalCli({ report: (line) => process.stderr.write(`${line}\n`) });
}, 30 * 60_000);
afterAll(() => Promise.all(started.map((server) => server.kill())));

async function start(options: Parameters<typeof startDevServer>[0] = {}): Promise<DevServer> {
  const server = await startDevServer({ cliPath, ...options });
  started.push(server);
  return server;
}

const clientOf = ({ address, namespace }: DevServer, withinMs = 5_000) =>
  connectClient({ connectionOptions: { address }, namespace }, { withinMs });

describe('a dev server in memory', () => {
  it('is ready when we get it: a workflow with our search attributes starts and is found', async () => {
    const client = await clientOf(await start());
    await client.workflow.start('nothing', {
      taskQueue: 'none',
      workflowId: 'one',
      typedSearchAttributes: new TypedSearchAttributes([{ key: phase, value: 'placing' }]),
    });
    await until(async () => (await client.workflow.count(`${phase.name} = 'placing'`)).count === 1, soon);
    await client.connection.close();
  });

  it('takes ports that another server does not have', async () => {
    const [one, two] = await Promise.all([start(), start({ ui: true })]);
    expect(one.address).not.toBe(two.address);
    for (const { address } of [one, two]) expect(address).toMatch(/^127\.0\.0\.1:(?!7233$)\d+$/);
    expect(one.uiAddress).toBeUndefined();
    await until(async () => (await fetch(two.uiAddress as string).catch(() => undefined))?.ok === true, soon);
  });

  it('is gone after stop, which may be called again', async () => {
    const server = await start();
    await Promise.all([server.stop(), server.stop()]);
    await server.stop();
    expect(await server.exited).toEqual({ code: 0, signal: undefined });
    await expect(clientOf(server, 100)).rejects.toThrow(server.address);
  });
});

describe('a dev server on a file', () => {
  it('has its workflows, namespace and search attributes again after a crash', async () => {
    const onFile = { dbFile: join(folder, 'new', 'temporal.db'), namespace: 'prod' };
    const before = await start(onFile);
    const client = await clientOf(before);
    await client.workflow.start('nothing', {
      taskQueue: 'none',
      workflowId: 'kept',
      typedSearchAttributes: new TypedSearchAttributes([{ key: phase, value: 'running' }]),
    });
    await until(async () => (await client.workflow.count(`${phase.name} = 'running'`)).count === 1, soon);
    await client.connection.close();
    await before.kill();

    const again = await clientOf(await start(onFile));
    const { status, typedSearchAttributes } = await again.workflow.getHandle('kept').describe();
    expect(status.name).toBe('RUNNING');
    expect(typedSearchAttributes.get(phase)).toBe('running');
    expect((await again.workflow.count(`${phase.name} = 'running'`)).count).toBe(1);
    await again.connection.close();
  });

  it('gets search attributes that were added to us since the file was made', async () => {
    // Made without ours, as by an older Slipway: the flag does nothing for a namespace that is there.
    const dbFile = join(folder, 'old.db');
    const without = putWrapper('--search-attribute');
    await start({ dbFile, cliPath: without }).then((server) => server.kill());

    const server = await start({ dbFile });
    const connection = await Connection.connect({ address: server.address });
    await ensureSearchAttributes(connection, 'default');
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
    expect(Object.keys(customAttributes)).toEqual(expect.arrayContaining(Object.values(SEARCH_ATTRIBUTES)));
    await connection.close();
  });
});

describe('a dev server that does not start', () => {
  it('fails at once, with the end of its log, when it dies', async () => {
    const cliPath = join(folder, 'dies');
    writeFileSync(cliPath, '#!/bin/sh\necho "no luck today"\nexit 3\n', { mode: 0o755 });
    const error = await startDevServer({ cliPath }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(DevServerFailed);
    expect((error as DevServerFailed).logTail).toBe('no luck today');
  });

  it('leaves the port alone that somebody else has', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await until(async () => other.listening, soon);
    const { port } = other.address() as { port: number };
    await expect(startDevServer({ cliPath, port })).rejects.toThrow(DevServerFailed);
    other.close();
  });

  it('refuses a file name that SQLite would read differently', async () => {
    await expect(startDevServer({ cliPath, dbFile: join(folder, 'what?.db') })).rejects.toThrow(TypeError);
  });
});

const soon = { what: 'it', withinMs: 10_000, everyMs: 20 };

/** A CLI that ignores one flag and its value. */
function putWrapper(flag: string): string {
  const path = join(folder, 'wrapper');
  writeFileSync(
    path,
    `#!/bin/bash\nargs=()\nwhile [ $# -gt 0 ]; do if [ "$1" = ${flag} ]; then shift 2; else args+=("$1"); shift; fi; done\nexec ${cliPath} "\${args[@]}"\n`,
    { mode: 0o755 },
  );
  return path;
}
