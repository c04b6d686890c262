import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.js';
import type { CleanupDebt } from '../../src/client/index.js';
import { keyword } from '../../src/client/start.js';
import { SEARCH_ATTRIBUTES } from '../../src/domain/search-attributes.js';
import { credentialOf, openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';
import { runCli } from './run-cli.js';

let slipway: TestSlipway;
let env: Record<string, string>;
beforeAll(async () => {
  slipway = await openSlipway();
  env = { TEMPORAL_ADDRESS: inject('temporalAddress'), SLIPWAY_TASK_QUEUE: slipway.taskQueue };
});
afterAll(() => slipway?.close());

const run = (...args: string[]) => runCli(args, { env });
/** Of our account alone: other tests run on the same server. */
const debt = (...more: string[]) => run('debt', '--credential', credentialOf(slipway), ...more);

describe('an operator at three in the morning', () => {
  it('reads every fact in a row, and in one paragraph why an instance is parked and what helps', async () => {
    const refId = `why-${randomUUID().slice(0, 8)}`;
    const request = requestFor(slipway, { refId });
    const match = { tag: { refId } };
    await slipway.cloud.control.addFault({ operation: 'create', kind: 'quota', match });
    await slipway.client.provision(request);
    await slipway.client.waitFor(refId, 'parked');

    const rows = await run('timeline', refId);
    expect(rows.code).toBe(0);
    const facts = ['InstanceRequested', 'CreateAttempted', 'QuotaRefused', 'InstanceParked'];
    for (const fact of facts) expect(rows.stdout).toContain(fact);

    const { code, stdout } = await run('why', refId);
    expect(code).toBe(0);
    expect(stdout).toContain('OutOfQuota');
    expect(stdout).toContain('retry');
    // It counts to now, not to the last thing that happened: a wait may be long because nothing happens.
    const why = async () => (await run('why', refId)).stdout;
    await vi.waitFor(async () => expect(await why()).toContain('parked for'), { timeout: 20_000 });
    const { stdout: json } = await run('why', refId, '--json');
    expect(JSON.parse(json)).toMatchObject({ refId, phase: 'parked' });
    expect((await run('why', 'nobody')).code).toBe(3);
    await slipway.client.terminate(refId);
  });

  it('sees in `debt` what cannot be deleted, since when and at what price, until it is gone', async () => {
    const refId = `debt-${randomUUID().slice(0, 8)}`;
    const request = requestFor(slipway, { refId, policy: { toTerminated: '1s' } });
    await slipway.client.provision(request);
    const { cloudId } = await slipway.client.waitFor(refId, 'ready');
    const match = { tag: { refId } };
    const { id } = await slipway.cloud.control.addFault({
      operation: 'terminate',
      kind: 'terminate-refused',
      times: 'always',
      match,
    });
    await slipway.client.terminate(refId);
    await vi.waitFor(
      async () => {
        const { stdout } = await debt('--json');
        expect(JSON.parse(stdout) as CleanupDebt[]).toMatchObject([{ refId, cloudId, cause: 'undeleted' }]);
      },
      { timeout: 30_000 },
    );
    const { stdout } = await debt();
    expect(stdout).toContain(cloudId);
    expect(stdout).toMatch(/0\.75 USD/);

    await slipway.cloud.control.removeFaults(id);
    await slipway.client.retry(refId);
    await slipway.client.waitFor(refId, 'terminated');
    await vi.waitFor(async () => expect(JSON.parse((await debt('--json')).stdout)).toEqual([]), {
      timeout: 20_000,
    });
  });

  it('reads in `debt` what others owe, though the worker of one does not answer, and who that is', async () => {
    const refId = `owing-${randomUUID().slice(0, 8)}`;
    const fault = await slipway.cloud.control.addFault({
      operation: 'terminate',
      kind: 'terminate-refused',
      times: 'always',
      match: { tag: { refId } },
    });
    await slipway.client.provision(requestFor(slipway, { refId, policy: { toTerminated: '1s' } }));
    const { cloudId } = await slipway.client.waitFor(refId, 'ready');
    await slipway.client.terminate(refId);
    const silent = `silent-${refId}`;
    const handle = await slipway.temporal.workflow.start('instance', {
      workflowId: `instance/${silent}`,
      taskQueue: 'where-nobody-listens',
      typedSearchAttributes: [
        keyword(SEARCH_ATTRIBUTES.credential, credentialOf(slipway)),
        keyword(SEARCH_ATTRIBUTES.cleanupDebt, 'open'),
      ],
    });
    try {
      const owes = async () => (await slipway.client.describe(refId)).cleanupDebt.length > 0;
      await vi.waitFor(async () => expect(await owes()).toBe(true), { timeout: 30_000 });
      const { code, stdout, stderr } = await debt('--json');
      expect(JSON.parse(stdout)).toMatchObject([{ refId, cloudId }]);
      expect(stderr).toContain(`1 of 3: instance ${silent}`);
      expect(code).toBe(EXIT.unreachable);
    } finally {
      await handle.terminate('a test');
      await slipway.cloud.control.removeFaults(fault.id);
    }
    await slipway.client.retry(refId);
    await slipway.client.waitFor(refId, 'terminated');
  }, 120_000);
});
