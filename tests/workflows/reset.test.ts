import { randomUUID } from 'node:crypto';
import Long from 'long';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { instanceWorkflowId } from '../../src/domain/ids.js';
import { historyOf } from '../support/history.js';
import { openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';

/** `--reapply-exclude Signal --reapply-exclude Update`: what people asked for after the point must not be done again. */
const EXCLUDE = [1, 2];

describe('a provision that is reset', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    slipway = await openSlipway({ simcloud: { timing: { listingLagMs: 300 } }, credential: { listingLagMs: 1_000 } });
  });
  afterAll(async () => await slipway?.close());

  const reset = async (refId: string, eventId: number) => {
    const { workflowService, options } = slipway.temporal;
    await workflowService.resetWorkflowExecution({
      namespace: options.namespace,
      workflowExecution: { workflowId: instanceWorkflowId(refId) },
      reason: 'test',
      requestId: randomUUID(),
      workflowTaskFinishEventId: Long.fromNumber(eventId),
      resetReapplyExcludeTypes: EXCLUDE,
    });
  };

  it('to any of its workflow tasks ends ready, with one machine and no leak', async () => {
    const provision = async () => {
      const request = requestFor(slipway, { policy: { pendingToRunning: '8s' } });
      await slipway.client.provision(request);
      await slipway.client.waitFor(request.refId, 'ready');
      return request.refId;
    };
    const model = await provision();
    const tasks = (await historyOf(slipway.temporal, model)).filter(
      ({ type }) => type === 'WorkflowTaskCompleted',
    ).length;
    expect(tasks).toBeGreaterThan(3);

    const refIds = await Promise.all(
      Array.from({ length: tasks }, async (_, index) => {
        const refId = await provision();
        const history = await historyOf(slipway.temporal, refId);
        const points = history.filter(({ type }) => type === 'WorkflowTaskCompleted');
        await reset(refId, points[Math.min(index, points.length - 1)]?.id ?? 0);
        await slipway.client.waitFor(refId, 'ready', { timeoutMs: 60_000 });
        return refId;
      }),
    );
    const ledger = await slipway.cloud.control.ledger();
    for (const refId of refIds) expect(ledger.filter(({ tags }) => tags.refId === refId)).toHaveLength(1);
    expect(await slipway.cloud.control.report()).toMatchObject({ doubled: 0, running: tasks + 1 });

    await Promise.all([model, ...refIds].map((refId) => slipway.client.terminate(refId)));
    await Promise.all([model, ...refIds].map((refId) => slipway.client.waitFor(refId, 'terminated')));
    expect(await slipway.cloud.control.report()).toMatchObject({ running: 0 });
  }, 120_000);

  it('while its create is on its way meets the machine that the old run makes', async () => {
    const request = requestFor(slipway);
    const { refId } = request;
    const match = { tag: { refId } };
    await slipway.cloud.control.addFault({ operation: 'create', kind: 'late-answer', delayMs: 3_000, match });
    await slipway.client.provision(request);
    await slipway.client.waitFor(refId, 'creating');
    const [first] = (await historyOf(slipway.temporal, refId)).filter(({ type }) => type === 'WorkflowTaskCompleted');
    await reset(refId, first?.id ?? 0);
    await slipway.client.waitFor(refId, 'ready', { timeoutMs: 60_000 });
    const ledger = await slipway.cloud.control.ledger();
    expect(ledger.filter(({ tags }) => tags.refId === refId)).toHaveLength(1);
    await slipway.client.terminate(refId);
    await slipway.client.waitFor(refId, 'terminated');
  }, 90_000);

  it('and had been terminated meanwhile does not repeat the old order when signals and updates are excluded', async () => {
    const request = requestFor(slipway);
    const { refId } = request;
    await slipway.client.provision(request);
    await slipway.client.waitFor(refId, 'ready');
    const points = (await historyOf(slipway.temporal, refId)).filter(({ type }) => type === 'WorkflowTaskCompleted');
    await slipway.client.terminate(refId);
    await slipway.client.waitFor(refId, 'terminated');
    await reset(refId, points.at(0)?.id ?? 0);
    await slipway.client.waitFor(refId, 'ready', { timeoutMs: 60_000 });
    await slipway.client.terminate(refId, { requestId: 'again' });
    await slipway.client.waitFor(refId, 'terminated');
    expect(await slipway.cloud.control.report()).toMatchObject({ running: 0, doubled: 0 });
  }, 90_000);
});
