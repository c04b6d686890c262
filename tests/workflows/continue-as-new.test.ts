import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { instanceWorkflowId, toIsoTime } from '../../src/domain/ids.js';
import { Instance, type InstanceSnapshot } from '../../src/workflows/entity.js';
import { openTestJournal, type TestJournal } from '../support/journal.js';
import { begin, endAndProve, type Life } from '../support/lives.js';
import { startOwnServer } from '../support/own-server.js';
import { offerAt, openSlipway, type TestSlipway } from '../support/slipway.js';

/** Here the server already hints at this many events that a run is long: a real one at 4,096, Slipway itself at 2,000. */
const LONG_HISTORY = 150;

let server: Awaited<ReturnType<typeof startOwnServer>>;
let slipway: TestSlipway;
let kept: TestJournal;
beforeAll(async () => {
  kept = await openTestJournal();
  server = await startOwnServer(inject('temporalCli'), { 'limit.historyCount.suggestContinueAsNew': LONG_HISTORY });
  slipway = await openSlipway({
    address: server.address,
    watchTiming: { settledIntervalMs: 300 },
    openJournal: kept.open,
  });
});
afterAll(async () => {
  await slipway?.close();
  await kept?.close();
  await server?.stop();
});

const handleOf = ({ refId }: Life) => slipway.temporal.workflow.getHandle(instanceWorkflowId(refId));
const runOf = async (life: Life) => (await handleOf(life).describe()).runId;

const AT_ONCE = 25;

/** Sends what changes nothing (a machine that nobody knows is absent) until the history is long. */
async function makeHistoryLong(life: Life): Promise<void> {
  const handle = handleOf(life);
  const nothing = { cloudId: 'nobody', at: toIsoTime(Date.now()), status: 'absent' };
  for (let sent = 0; sent < LONG_HISTORY; sent += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, () => handle.signal('observed', nothing)));
  }
}

async function goesOnAsNew(life: Life, firstRun: string): Promise<void> {
  await vi.waitFor(async () => expect(await runOf(life)).not.toBe(firstRun), { timeout: 20_000 });
}

describe.concurrent('an instance whose history grows long', () => {
  it('goes on as a new run with nothing lost', async () => {
    const { client } = slipway;
    const rules = { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: ['127.0.0.0/8'] }] };
    const life = await begin(slipway, { tags: { team: 'a' }, firewallRules: rules });
    const { refId } = life;
    await life.until('ready');
    await client.updateTags(refId, { requestId: 'tags-1', tags: { team: 'b' }, actor: 'ann' });
    await life.seen('ChangeApplied');
    const [firstRun, view, events] = [await runOf(life), await client.describe(refId), await client.events(refId)];

    await makeHistoryLong(life);
    await goesOnAsNew(life, firstRun);
    expect(await client.describe(refId)).toEqual(view);
    expect(await client.events(refId)).toEqual(events);
    expect(events.events.map(({ seq }) => seq)).toEqual(events.events.map((_, index) => index + 1));

    // The same request id has its one effect behind it; the same request is still the same instance.
    expect(await client.updateTags(refId, { requestId: 'tags-1', tags: { team: 'c' } })).toMatchObject({
      result: 'recorded',
      seq: view.seq,
    });
    expect((await client.describe(refId)).tags).toEqual({ team: 'b' });
    expect(await client.provision(life.request)).toMatchObject({ started: false });
    await expect(client.provision({ ...life.request, name: 'another' })).rejects.toMatchObject({
      kind: 'RefIdConflict',
    });

    await client.stop(refId);
    await life.until('stopped');
    await client.start(refId);
    expect(await life.until('ready')).toMatchObject({ hostKey: view.hostKey, cloudId: view.cloudId });
    const later = await client.events(refId);
    expect(later.events.map(({ seq }) => seq)).toEqual(later.events.map((_, index) => index + 1));
    await endAndProve(slipway, life);
    expect(await life.machines()).toHaveLength(1);

    // Its runs are one instance, and the newest speaks for it.
    await vi.waitFor(
      async () => {
        const rows = (await client.list({ all: true })).filter((row) => row.refId === refId);
        expect(rows).toMatchObject([{ phase: 'terminated', open: false }]);
      },
      { timeout: 20_000 },
    );
    // What the first run had told the journal is not told again, and nothing is left out between the two.
    await handleOf(life).result();
    const inJournal = (await kept.journal.read(refId)).map(({ event }) => event);
    expect(inJournal).toEqual((await client.events(refId)).events);
  });

  it('keeps the deadline it had, while it waits for capacity', async () => {
    const { client } = slipway;
    const offers = [offerAt(slipway, 'us-west-1', 'cpu_4x_general')];
    const soldOut = { operation: 'create', kind: 'out-of-stock', times: 'always' } as const;
    const life = await begin(slipway, { offers, policy: { provisionWithin: '30s' } }, soldOut);
    const { refId } = life;
    await life.seen('CapacityAwaited');
    const firstRun = await runOf(life);
    const { deadline } = await client.describe(refId);
    await makeHistoryLong(life);
    await client.updateTags(refId, { tags: { team: 'b' } }); // wakes it
    await goesOnAsNew(life, firstRun);
    expect(await client.describe(refId)).toMatchObject({ phase: 'placing', deadline, tags: { team: 'b' } });
    const asked = Date.parse((await life.event('InstanceRequested')).at);
    await life.until('parked', 60_000);
    const parkedAfter = Date.parse((await life.event('InstanceParked')).at) - asked;
    expect(parkedAfter, 'the time began with the request, not with the run').toBeGreaterThanOrEqual(30_000);
    expect(parkedAfter).toBeLessThan(50_000);
    await endAndProve(slipway, life);
  });

  it('goes on as a new run while it is parked, and can be retried there', async () => {
    const life = await begin(slipway, {}, { operation: 'create', kind: 'quota' });
    const view = await life.until('parked');
    const firstRun = await runOf(life);
    await makeHistoryLong(life);
    await goesOnAsNew(life, firstRun);
    expect(await slipway.client.describe(life.refId)).toEqual(view);
    await slipway.client.retry(life.refId);
    expect((await life.until('ready')).attempts).toHaveLength(2);
    await endAndProve(slipway, life);
  });
});

describe('what travels to the new run', () => {
  it('is the same after a round trip through JSON, with what the watcher told and nobody has looked into yet', async () => {
    const life = await begin(slipway);
    const { cloudId = '' } = await life.until('ready');
    const firstRun = await runOf(life);
    await makeHistoryLong(life);
    await goesOnAsNew(life, firstRun);
    const { events } = await handleOf(life).fetchHistory();
    const payloads = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    const [, snapshot] = payloads.map(({ data }) => JSON.parse(Buffer.from(data ?? []).toString()));
    expect(snapshot).toMatchObject({ state: { phase: 'ready' }, lastSeen: { cloudId } });

    const seen = { cloudId, at: toIsoTime(Date.now()), status: 'absent' as const };
    const full: InstanceSnapshot = { ...snapshot, suspicion: seen, unclaimed: [{ ...seen, cloudId: 'another' }] };
    expect(JSON.parse(JSON.stringify(Instance.resume(JSON.parse(JSON.stringify(full))).snapshot()))).toEqual(full);
    await endAndProve(slipway, life);
  });
});
