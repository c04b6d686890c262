import { randomUUID } from 'node:crypto';
import Long from 'long';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { instanceWorkflowId } from '../../src/domain/ids.js';
import { historyOf } from '../support/history.js';
import { openTestJournal, type TestJournal } from '../support/journal.js';
import { begin, endAndProve } from '../support/lives.js';
import { openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';

/** `--reapply-exclude Signal --reapply-exclude Update`: what people asked for after the point must not be done again. */
const EXCLUDE = [1, 2];

async function resetTo(slipway: TestSlipway, refId: string, eventId: number): Promise<void> {
  const { workflowService, options } = slipway.temporal;
  await workflowService.resetWorkflowExecution({
    namespace: options.namespace,
    workflowExecution: { workflowId: instanceWorkflowId(refId) },
    reason: 'test',
    requestId: randomUUID(),
    workflowTaskFinishEventId: Long.fromNumber(eventId),
    resetReapplyExcludeTypes: EXCLUDE,
  });
}

describe('a provision that is reset', () => {
  let slipway: TestSlipway;
  let kept: TestJournal;
  beforeAll(async () => {
    kept = await openTestJournal();
    slipway = await openSlipway({
      simcloud: { timing: { listingLagMs: 300 } },
      credential: { listingLagMs: 1_000 },
      openJournal: kept.open,
    });
  });
  afterAll(async () => {
    await slipway?.close();
    await kept?.close();
  });

  const reset = (refId: string, eventId: number) => resetTo(slipway, refId, eventId);

  /** The journal tells one life from beginning to end, and it is the last run's. */
  const isWhole = async (refId: string) => {
    await slipway.temporal.workflow.getHandle(instanceWorkflowId(refId)).result();
    const inJournal = (await kept.journal.read(refId)).map(({ event }) => event);
    expect(inJournal).toEqual((await slipway.client.events(refId)).events);
  };

  it('to any of its workflow tasks, after it went further, ends ready: one machine, no leak, one life in the journal', async () => {
    const provision = async () => {
      const request = requestFor(slipway, { policy: { pendingToRunning: '8s' } });
      const { refId } = request;
      await slipway.client.provision(request);
      await slipway.client.waitFor(refId, 'ready');
      await slipway.client.updateTags(refId, { tags: { team: 'lost' } });
      await vi.waitFor(
        async () => {
          const types = (await kept.journal.read(refId)).map(({ event }) => event.type);
          expect(types).toContain('ChangeApplied');
        },
        { timeout: 20_000 },
      );
      return refId;
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
    await Promise.all([model, ...refIds].map(isWhole));
    expect(await kept.journal.verify()).toMatchObject({ differences: [] });
  }, 180_000);

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
    await isWhole(refId);
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
    await isWhole(refId);
  }, 90_000);
});

describe('a create that is given out again by a reset', () => {
  /** Longer than another worker takes to begin (10 s, while the watcher's worker goes): it would not find the machine. */
  const LAG_MS = 14_000;
  let slipway: TestSlipway;
  beforeAll(async () => {
    const credential = { listingLagMs: LAG_MS + 500 };
    slipway = await openSlipway({ simcloud: { timing: { listingLagMs: LAG_MS } }, credential });
  });
  afterAll(async () => await slipway?.close());

  it('waits until the old call is over and meets its machine, in another process too', async () => {
    const life = await begin(slipway, {}, { operation: 'create', kind: 'late-answer', delayMs: 30_000 });
    await vi.waitFor(async () => expect(await life.machines()).toHaveLength(1), { timeout: 20_000, interval: 50 });
    // A task after the one that asked for the create: the reset keeps the activity, as it was asked for.
    await slipway.client.updateTags(life.refId, { tags: { team: 'a' } });
    const next = await slipway.startWorker();
    const stopped = slipway.worker.stop();
    await vi.waitFor(async () => expect((await slipway.worker.health()).isPolling).toBe(false), { timeout: 20_000 });
    const history = await historyOf(slipway.temporal, life.refId);
    const point = history.findLast(({ type }) => type === 'WorkflowTaskCompleted')?.id ?? 0;
    expect(history.find(({ activityType }) => activityType === 'createInstance')?.id).toBeLessThan(point);
    await resetTo(slipway, life.refId, point);
    await life.until('ready', 90_000);
    expect(await life.machines()).toHaveLength(1);
    await endAndProve(slipway, life);
    await stopped;
    await next.stop();
  }, 180_000);
});
