import Long from 'long';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { instanceWorkflowId } from '../../src/domain/ids.js';
import { fold } from '../../src/domain/instance/index.js';
import { JournalSchemaMismatch } from '../../src/journal/index.js';
import { attempted, parked, refused, requested, stamp } from '../journal/support/lives.js';
import { historyOf } from '../support/history.js';
import { openTestJournal, type TestJournal } from '../support/journal.js';
import { offerAt, openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';

let kept: TestJournal;
let slipway: TestSlipway;
beforeAll(async () => {
  kept = await openTestJournal();
  slipway = await openSlipway({ openJournal: kept.open });
});
afterAll(async () => {
  await slipway?.close();
  await kept?.close();
});

const inJournal = async (refId: string) => (await kept.journal.read(refId)).map(({ event }) => event);
const inWorkflow = async (refId: string) => (await slipway.client.events(refId)).events;
const isWhole = async (refId: string) => {
  await vi.waitFor(async () => expect(await inJournal(refId)).toEqual(await inWorkflow(refId)), { timeout: 20_000 });
};
const closed = (refId: string) => slipway.temporal.workflow.getHandle(instanceWorkflowId(refId)).result();

describe('an instance whose worker has a journal', () => {
  it('has all its facts there, in order, when it is ready and when it is over', async () => {
    const { refId } = await slipway.client.provision(requestFor(slipway));
    await slipway.client.waitFor(refId, 'ready');
    await isWhole(refId);
    await slipway.client.stop(refId);
    await slipway.client.waitFor(refId, 'stopped');
    await isWhole(refId);
    await slipway.client.terminate(refId);
    await closed(refId);
    const facts = await inJournal(refId);
    expect(facts.at(-1)?.type).toBe('InstanceTerminated');
    expect(facts).toEqual(await inWorkflow(refId));
    expect(await kept.journal.verify()).toMatchObject({ differences: [] });
  });

  it('takes one activity more from the request to ready than without one', async () => {
    const { refId } = await slipway.client.provision(requestFor(slipway));
    await slipway.client.waitFor(refId, 'ready');
    await isWhole(refId);
    const scheduled = (await historyOf(slipway.temporal, refId)).flatMap(({ activityType = [] }) => activityType);
    expect(scheduled.filter((type) => type === 'recordEvents')).toHaveLength(1);
    expect(scheduled.filter((type) => type !== 'recordEvents')).toEqual(['createInstance', 'probeSsh']);
  });

  it('has its intent there before the provider is called', async () => {
    const request = requestFor(slipway);
    const { refId } = request;
    await slipway.cloud.control.addFault({
      operation: 'create',
      kind: 'late-answer',
      delayMs: 60_000,
      match: { tag: { refId } },
    });
    await slipway.client.provision(request);
    await vi.waitFor(
      async () => {
        expect((await slipway.cloud.control.ledger()).some(({ tags }) => tags.refId === refId)).toBe(true);
      },
      { timeout: 20_000 },
    );
    expect((await inJournal(refId)).map(({ type }) => type)).toEqual(['InstanceRequested', 'CreateAttempted']);
    await slipway.client.terminate(refId);
    await closed(refId);
    await isWhole(refId);
  }, 120_000);

  it('keeps what it failed by, also when nobody buys anything for a while', async () => {
    const request = requestFor(slipway);
    const { refId } = request;
    await slipway.cloud.control.addFault({ operation: 'create', kind: 'out-of-stock', match: { tag: { refId } } });
    await slipway.client.provision(request);
    await vi.waitFor(
      async () => {
        expect((await inJournal(refId)).map(({ type }) => type)).toContain('CapacityAwaited');
      },
      { timeout: 20_000 },
    );
    await slipway.client.terminate(refId);
    await closed(refId);
    await isWhole(refId);
  }, 60_000);

  it.each(['ready', 'terminated'] as const)(
    'tells what happens while it rests (%s), and then ends',
    async (phase) => {
      const { refId } = await slipway.client.provision(requestFor(slipway));
      await slipway.client.waitFor(refId, 'ready');
      const handle = slipway.temporal.workflow.getHandle(instanceWorkflowId(refId));
      // Ending the stray takes a while: what is recorded then comes when everything before was delivered.
      await slipway.cloud.control.addFault({ operation: 'list', kind: 'late-answer', delayMs: 3_000, times: 2 });
      const stray = {
        cloudId: `stray-${refId}`,
        at: new Date().toISOString(),
        status: 'running',
        offer: offerAt(slipway),
      };
      await handle.signal('observed', stray);
      if (phase === 'terminated') await slipway.client.terminate(refId);
      await slipway.client.waitFor(refId, phase);
      await vi.waitFor(async () => expect((await inJournal(refId)).map(({ type }) => type)).toContain('StrayEnded'), {
        timeout: 40_000,
      });
      await slipway.client.terminate(refId);
      await closed(refId);
      await isWhole(refId);
    },
    90_000,
  );

  it('that is terminated before it asked for anything is told as well', async () => {
    const request = requestFor(slipway);
    await slipway.worker.stop();
    await slipway.client.provision(request);
    const handle = slipway.temporal.workflow.getHandle(instanceWorkflowId(request.refId));
    await handle.cancel();
    slipway.worker = await slipway.startWorker();
    await closed(request.refId);
    expect((await inJournal(request.refId)).at(-1)?.type).toBe('InstanceTerminated');
  }, 60_000);
});

describe('an instance that was reset', () => {
  it('has in the journal what its last run says; what it lost is set aside', async () => {
    const { client, temporal } = slipway;
    const { refId } = await client.provision(requestFor(slipway));
    await client.waitFor(refId, 'ready');
    await client.reboot(refId);
    await vi.waitFor(
      async () => expect(await inJournal(refId)).toContainEqual(expect.objectContaining({ type: 'RebootAccepted' })),
      { timeout: 20_000 },
    );
    await client.waitFor(refId, 'ready');
    await isWhole(refId);
    const before = await inJournal(refId);

    const points = (await historyOf(temporal, refId)).filter(({ type }) => type === 'WorkflowTaskCompleted');
    await temporal.workflowService.resetWorkflowExecution({
      namespace: temporal.options.namespace,
      workflowExecution: { workflowId: instanceWorkflowId(refId) },
      reason: 'test',
      requestId: refId,
      workflowTaskFinishEventId: Long.fromNumber(points[1]?.id ?? 0),
      resetReapplyExcludeTypes: [1, 2],
    });
    await client.waitFor(refId, 'ready', { timeoutMs: 60_000 });
    await isWhole(refId);
    const superseded = (await kept.journal.superseded(refId)).map(({ event }) => event);
    expect(superseded.length).toBeGreaterThan(0);
    expect(before).toEqual([...before.slice(0, (superseded[0]?.seq ?? 1) - 1), ...superseded]);
    expect(await kept.journal.verify()).toMatchObject({ differences: [] });
    await client.terminate(refId);
    await closed(refId);
    await isWhole(refId);
  }, 120_000);
});

describe('a journal that is down', () => {
  it('holds new machines back with a clear reason, lets what runs be ended, and misses nothing later', async () => {
    const { client, cloud } = slipway;
    const { refId: running } = await client.provision(requestFor(slipway));
    await client.waitFor(running, 'ready');
    const created = (await cloud.control.report()).created;

    kept.down = true;
    const { refId } = await client.provision(requestFor(slipway));
    await client.terminate(running);
    expect(await client.waitFor(running, 'terminated')).toMatchObject({ terminated: { by: expect.anything() } });
    await vi.waitFor(
      async () => {
        const [attempt] = (await client.describe(refId)).attempts;
        expect(attempt?.failure).toMatchObject({ kind: 'ServiceUnavailable' });
        expect(attempt?.failure?.message).toMatch(/nothing was asked of the provider.*journal/);
      },
      { timeout: 60_000, interval: 200 },
    );
    expect((await cloud.control.report()).created).toBe(created);

    kept.down = false;
    await client.waitFor(refId, 'ready', { timeoutMs: 60_000 });
    await isWhole(refId);
    await closed(running);
    await isWhole(running);
    await client.terminate(refId);
    await closed(refId);
  }, 180_000);
});

describe('a journal that refuses', () => {
  it('keeps no machine from being ended, whatever the reason; it gets the facts once it takes them', async () => {
    const { client } = slipway;
    const { refId } = await client.provision(requestFor(slipway));
    await client.waitFor(refId, 'ready');
    await isWhole(refId);
    kept.down = new JournalSchemaMismatch('the tables are newer than this code');
    await client.terminate(refId);
    await client.waitFor(refId, 'terminated');
    expect((await inJournal(refId)).at(-1)?.type).not.toBe('InstanceTerminated');
    kept.down = false;
    await closed(refId);
    await isWhole(refId);
  }, 90_000);
});

describe('a journal that comes later', () => {
  it('gets the whole life of an instance that began without one', async () => {
    const bare = await openSlipway();
    try {
      const { refId } = await bare.client.provision(requestFor(bare));
      await bare.client.waitFor(refId, 'ready');
      await bare.worker.stop();
      bare.worker = await bare.startWorker({ openJournal: kept.open });
      await bare.client.stop(refId);
      await bare.client.waitFor(refId, 'stopped');
      await bare.client.terminate(refId);
      await bare.temporal.workflow.getHandle(instanceWorkflowId(refId)).result();
      expect(await inJournal(refId)).toEqual((await bare.client.events(refId)).events);
    } finally {
      await bare.close();
    }
  }, 60_000);

  it('is told where an instance stood whose first facts nobody holds any more, and everything from there on', async () => {
    const { client, temporal, taskQueue } = slipway;
    const request = requestFor(slipway);
    const { refId } = request;
    const offer = offerAt(slipway);
    const events = stamp([requested(refId, request), attempted(1, offer), refused(1, 'OutOfQuota'), parked()]);
    const snapshot = { state: fold(events), events: events.slice(2), journal: { journal: 'none', upTo: 0 } };
    const workflowId = instanceWorkflowId(refId);
    await temporal.workflow.start('instance', { workflowId, taskQueue, args: [request, snapshot] });
    await client.retry(refId);
    await client.waitFor(refId, 'ready');
    await client.terminate(refId);
    await closed(refId);

    const known = await inJournal(refId);
    expect(known[0]).toMatchObject({ type: 'FactsLost', from: 1, state: { request: { refId } } });
    expect(known).toEqual((await inWorkflow(refId)).filter(({ seq }) => seq >= (known[0]?.seq ?? 0)));
    const created = known.findIndex(({ type }) => type === 'InstanceCreated');
    expect(known.slice(0, created).some(({ type }) => type === 'CreateAttempted')).toBe(true);
    expect(await kept.journal.verify()).toMatchObject({ differences: [] });
  }, 90_000);
});
