import { activityInfo } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { toApplicationFailure } from '../../src/activities/failure.js';
import { ProviderError } from '../../src/domain/errors.js';
import { SEARCH_ATTRIBUTES } from '../../src/domain/search-attributes.js';
import { brokenTasks, historyOf } from '../support/history.js';
import { begin, createByHand, endAndProve, type Life, lifeOf } from '../support/lives.js';
import {
  credentialOf,
  offerAt,
  openSlipway,
  requestFor,
  type SlipwayOptions,
  type TestSlipway,
  watcherOf,
} from '../support/slipway.js';

const QUICK = { settledIntervalMs: 100, alertMs: 300, idleAfterMs: 500, strayGraceMs: 300 };

async function withSlipway(options: SlipwayOptions, test: (slipway: TestSlipway) => Promise<void>): Promise<void> {
  const slipway = await openSlipway({ ...options, watchTiming: { ...QUICK, ...options.watchTiming } });
  try {
    await test(slipway);
  } finally {
    await slipway.close();
  }
}

const listings = async ({ cloud }: TestSlipway) => (await cloud.control.report()).calls.byOperation.list ?? 0;

const isLive = async ({ cloud }: TestSlipway, id: string) =>
  (await cloud.control.ledger()).find((line) => line.id === id)?.isLive;

/** Resolves once the account was listed some more times: whatever the watcher does about it, it has done. */
async function afterListings(slipway: TestSlipway, more: number): Promise<void> {
  const enough = (await listings(slipway)) + more;
  await vi.waitFor(async () => expect(await listings(slipway)).toBeGreaterThanOrEqual(enough), { timeout: 20_000 });
}

describe.concurrent('a watcher that is not there', () => {
  it('delays, and never strands: an instance whose account cannot be listed looks for itself', async () => {
    await withSlipway({}, async (slipway) => {
      const tag = { cloudCredRefId: credentialOf(slipway) };
      await slipway.cloud.control.addFault({ operation: 'list', kind: 'error-503', times: 'always', match: { tag } });
      const life = await begin(slipway, { policy: { pendingToRunning: '8s' } });
      await life.until('ready');
      expect(await life.machines()).toHaveLength(1);
      expect((await historyOf(slipway.temporal, life.refId)).map(({ activityType }) => activityType)).toContain(
        'lookAtInstance',
      );
      await slipway.client.stop(life.refId);
      await slipway.cloud.control.removeFaults();
      await life.until('stopped');
      await endAndProve(slipway, life);
    });
  });

  it('may have told what it saw too early: then the instance looks at once, not half a minute later', async () => {
    const simcloud = { timing: { bootMs: 0 } };
    await withSlipway({ simcloud, maxCachedWorkflows: 0 }, async (slipway) => {
      const tag = { cloudCredRefId: credentialOf(slipway) };
      await slipway.cloud.control.addFault({ operation: 'list', kind: 'error-503', times: 'always', match: { tag } });
      const life = await begin(slipway);
      await life.seen('InstanceCreated');
      const isWaiting = async () =>
        (await historyOf(slipway.temporal, life.refId)).some(({ type }) => /TimerStarted/i.test(type));
      await vi.waitFor(async () => expect(await isWaiting()).toBe(true), { timeout: 20_000 });
      // A long listing that began before the create was answered.
      const { cloudId } = await slipway.client.describe(life.refId);
      const { at: createdAt } = await life.event('InstanceCreated');
      const seen = { cloudId, status: 'running', at: new Date(Date.parse(createdAt) - 1).toISOString() };
      await slipway.temporal.workflow.getHandle(`instance/${life.refId}`).signal('observed', seen);
      await life.until('ready', 20_000);
      // Nothing was cached: each task has replayed the wait that was cut short.
      expect(brokenTasks(await historyOf(slipway.temporal, life.refId))).toEqual([]);
      await slipway.cloud.control.removeFaults();
      await endAndProve(slipway, life);
    });
  });

  it('is there again soon, when somebody terminates its workflow: a machine that vanishes is noticed', async () => {
    // Alert, it hears within seconds that nobody hosts it any more; settled, with its next heartbeat or wake-up.
    await withSlipway({ watchTiming: { alertMs: 60_000 } }, async (slipway) => {
      const life = await begin(slipway);
      const { cloudId = '' } = await life.until('ready');
      const { runId } = await watcherOf(slipway).describe();
      await watcherOf(slipway).terminate('a test');
      await vi.waitFor(async () => expect((await watcherOf(slipway).describe()).runId).not.toBe(runId), {
        timeout: 20_000,
        interval: 100,
      });
      await slipway.cloud.control.vanish(cloudId);
      expect(await life.until('terminated')).toMatchObject({ failure: { kind: 'InstanceFailed' } });
    });
  });
});

describe.concurrent('a machine that vanishes while nobody watches', () => {
  it('is missed by the next watcher: the instance ends with the reason', async () => {
    await withSlipway({}, async (slipway) => {
      const [life, other] = await Promise.all([begin(slipway), begin(slipway)]);
      const { cloudId = '' } = await life.until('ready');
      await other.until('ready');
      await vi.waitFor(
        async () =>
          expect(await slipway.client.list({ phase: 'ready' })).toEqual(
            expect.arrayContaining([expect.objectContaining({ refId: life.refId })]),
          ),
        { timeout: 20_000 },
      );
      await slipway.worker.stop();
      await slipway.cloud.control.vanish(cloudId);
      const another = await slipway.startWorker();
      expect(await life.until('terminated')).toMatchObject({ failure: { kind: 'InstanceFailed' } });
      expect((await slipway.client.describe(other.refId)).phase).toBe('ready');
      await endAndProve(slipway, other);
      await another.stop();
    });
  });
});

/** The provider refuses our looks at one machine, until told otherwise. */
function refusingLooks() {
  const state = { refused: 0, isRefusing: true };
  const inbound: ActivityInboundCallsInterceptor = {
    execute: async (input, next) => {
      if (activityInfo().activityType !== 'lookAtInstance' || !state.isRefusing) return await next(input);
      state.refused += 1;
      throw toApplicationFailure(new ProviderError({ kind: 'PermissionDenied', message: 'injected' }));
    },
  };
  return { state, interceptors: { activity: [() => ({ inbound })] } };
}

describe.concurrent('a machine that vanishes while the provider refuses to be asked about it', () => {
  it('is missed once it answers: the watcher tells it once, and the suspicion stays', async () => {
    const { state, interceptors } = refusingLooks();
    await withSlipway({ interceptors }, async (slipway) => {
      const life = await begin(slipway);
      const { cloudId = '' } = await life.until('ready');
      await slipway.cloud.control.vanish(cloudId);
      await vi.waitFor(() => expect(state.refused).toBeGreaterThan(1), { timeout: 20_000 });
      expect((await slipway.client.describe(life.refId)).phase).toBe('ready');
      state.isRefusing = false;
      expect(await life.until('terminated')).toMatchObject({ failure: { kind: 'InstanceFailed' } });
    });
  });

  it('does not keep its instance from being terminated meanwhile', async () => {
    const { state, interceptors } = refusingLooks();
    await withSlipway({ interceptors }, async (slipway) => {
      const life = await begin(slipway);
      const { cloudId = '' } = await life.until('ready');
      await slipway.cloud.control.vanish(cloudId);
      await vi.waitFor(() => expect(state.refused).toBeGreaterThan(0), { timeout: 20_000 });
      await endAndProve(slipway, life);
    });
  });
});

describe.concurrent('a watcher', () => {
  it('sleeps while the account is empty, and is woken by a create', async () => {
    await withSlipway({}, async (slipway) => {
      const isAsleep = async () => {
        const { raw } = await watcherOf(slipway).describe();
        return (raw.pendingActivities ?? []).length === 0;
      };
      await vi.waitFor(async () => expect(await isAsleep()).toBe(true), { timeout: 20_000 });
      const asleep = await listings(slipway);
      const first = await begin(slipway);
      await first.until('ready', 20_000);
      expect(await listings(slipway)).toBeGreaterThan(asleep);
      await endAndProve(slipway, first);
      await vi.waitFor(async () => expect(await isAsleep()).toBe(true), { timeout: 20_000 });
      const second = await begin(slipway);
      await second.until('ready', 20_000);
      await endAndProve(slipway, second);
    });
  });

  it('tells an entity of changes only: a ready instance costs nothing while nothing happens', async () => {
    await withSlipway({}, async (slipway) => {
      const life = await begin(slipway);
      await life.until('ready');
      await afterListings(slipway, 3);
      const before = await historyOf(slipway.temporal, life.refId);
      await afterListings(slipway, 10);
      expect(await historyOf(slipway.temporal, life.refId)).toEqual(before);
      await endAndProve(slipway, life);
    });
  });

  it('costs an entity nothing when its worker is replaced, for it asks what entities believe', async () => {
    await withSlipway({}, async (slipway) => {
      const life = await begin(slipway);
      await life.until('ready');
      await afterListings(slipway, 3);
      await vi.waitFor(
        async () => {
          const query = `${SEARCH_ATTRIBUTES.phase} = 'ready' AND WorkflowId = 'instance/${life.refId}'`;
          const { count } = await slipway.temporal.workflow.count(query);
          expect(count).toBe(1);
        },
        { timeout: 20_000 },
      );
      const before = (await historyOf(slipway.temporal, life.refId)).length;
      await slipway.worker.stop();
      const another = await slipway.startWorker();
      await afterListings(slipway, 5);
      expect((await historyOf(slipway.temporal, life.refId)).length).toBe(before);
      await endAndProve(slipway, life);
      await another.stop();
    });
  });
});

describe.concurrent('an account in which every machine rests', () => {
  const pending = async (slipway: TestSlipway) => {
    const { raw } = await watcherOf(slipway).describe();
    const [activity] = raw.pendingActivities ?? [];
    return (
      activity && { ...activity, heartbeatMs: 1_000 * Number(activity.activityOptions?.heartbeatTimeout?.seconds) }
    );
  };
  const settles = async (slipway: TestSlipway) =>
    await vi.waitFor(async () => expect(await pending(slipway)).toMatchObject({ heartbeatMs: 1_800_000 }), {
      timeout: 20_000,
    });

  it('is watched without heartbeats but for some a day, and each order finds it alert', async () => {
    await withSlipway({}, async (slipway) => {
      const life = await begin(slipway);
      await life.until('ready');
      await settles(slipway);
      const heartbeat = (await pending(slipway))?.lastHeartbeatTime;
      await afterListings(slipway, 10);
      expect((await pending(slipway))?.lastHeartbeatTime).toEqual(heartbeat);

      const before = await historyOf(slipway.temporal, life.refId);
      await slipway.client.stop(life.refId);
      await life.until('stopped');
      const since = (await historyOf(slipway.temporal, life.refId)).slice(before.length);
      // The watcher told it, so it had not to look itself.
      expect(since.map(({ activityType }) => activityType).filter(Boolean)).not.toContain('lookAtInstance');
      await settles(slipway);
      await endAndProve(slipway, life);
    });
  });

  it('is missed when it vanishes: one absence wakes the watch, and the next is told', async () => {
    await withSlipway({}, async (slipway) => {
      const life = await begin(slipway);
      const { cloudId = '' } = await life.until('ready');
      await settles(slipway);
      await slipway.cloud.control.vanish(cloudId);
      expect(await life.until('terminated')).toMatchObject({ failure: { kind: 'InstanceFailed' } });
    });
  });

  it('is taken over by another worker, when the one that watched it stops', async () => {
    await withSlipway({}, async (slipway) => {
      const life = await begin(slipway);
      const { cloudId = '' } = await life.until('ready');
      const another = await slipway.startWorker();
      await settles(slipway);
      await slipway.worker.stop();
      await slipway.cloud.control.vanish(cloudId);
      expect(await life.until('terminated')).toMatchObject({ failure: { kind: 'InstanceFailed' } });
      await another.stop();
    });
  });
});

describe.concurrent('a machine without an owner', () => {
  it('is never signalled to anybody or touched, when it carries no identity of ours', async () => {
    await withSlipway({ strays: 'terminate' }, async (slipway) => {
      const life = await begin(slipway);
      await life.until('ready');
      const anonymous = await createByHand(slipway, {});
      const foreign = await createByHand(slipway, { refId: life.refId, cloudCredRefId: 'somebody-else' });
      await afterListings(slipway, 15);
      expect(await isLive(slipway, anonymous)).toBe(true);
      expect(await isLive(slipway, foreign)).toBe(true);
      expect(await life.types()).not.toContain('StrayFound');
      await slipway.client.terminate(life.refId);
      await life.until('terminated');
      expect(await isLive(slipway, anonymous)).toBe(true);
      expect(await isLive(slipway, foreign)).toBe(true);
    });
  });

  const stranger = (slipway: TestSlipway): [Life, Record<string, string>] => {
    const life = lifeOf(slipway, requestFor(slipway));
    return [life, { refId: life.refId, cloudCredRefId: credentialOf(slipway) }];
  };

  it('is reported and left alone, when no workflow here ever knew its refId and the policy says report', async () => {
    await withSlipway({ strays: 'report' }, async (slipway) => {
      const [life, tags] = stranger(slipway);
      const id = await createByHand(slipway, tags);
      await slipway.client.provision(requestFor(slipway)); // wakes the watcher
      await afterListings(slipway, 15);
      expect(await isLive(slipway, id)).toBe(true);
      // Whoever asks for that refId gets it: it carries our identity.
      await slipway.client.provision({ ...life.request, offers: [offerAt(slipway)] });
      expect(await life.until('ready')).toMatchObject({ cloudId: id, adopted: true });
      await endAndProve(slipway, life);
    });
  });

  it('is cleanup debt while it cannot be ended, though no instance is left to tell of it', async () => {
    await withSlipway({}, async (slipway) => {
      const life = await begin(slipway);
      await life.until('ready');
      await endAndProve(slipway, life);
      await life.fault({ operation: 'terminate', kind: 'error-500', times: 'always' });
      const cloudId = await createByHand(slipway, { refId: life.refId, cloudCredRefId: credentialOf(slipway) });
      await watcherOf(slipway).signal('wake');
      const debts = () => slipway.client.debts({ cloudCredRefId: credentialOf(slipway) });
      const owed = { refId: life.refId, cloudId, cause: 'stray', reason: expect.any(String) };
      await vi.waitFor(async () => expect(await debts()).toMatchObject([owed]), { timeout: 20_000 });
      const [first] = await debts();
      expect(first?.pricePerHour).toBeDefined();
      await slipway.worker.stop();
      const another = await slipway.startWorker();
      await afterListings(slipway, 3);
      expect(await debts()).toMatchObject([{ ...owed, since: first?.since }]);
      await slipway.cloud.control.removeFaults();
      await vi.waitFor(async () => expect(await debts()).toEqual([]), { timeout: 30_000 });
      expect(await isLive(slipway, cloudId)).toBe(false);
      await another.stop();
    });
  });

  it('is ended after a grace period, when the policy says terminate', async () => {
    await withSlipway({ strays: 'terminate' }, async (slipway) => {
      const [life, tags] = stranger(slipway);
      const id = await createByHand(slipway, tags);
      await slipway.client.provision(requestFor(slipway)); // wakes the watcher
      await vi.waitFor(async () => expect(await isLive(slipway, id)).toBe(false), { timeout: 20_000 });
      expect(await life.live()).toEqual([]);
    });
  });
});

describe.concurrent('a ready machine whose workflow was terminated by force', () => {
  it('is found although nothing about it changes, and is ended: its workflow ran here, so it is ours', async () => {
    await withSlipway({ watchTiming: { ownersIntervalMs: 300 } }, async (slipway) => {
      const life = await begin(slipway);
      await life.until('ready');
      await afterListings(slipway, 3);
      await slipway.temporal.workflow.getHandle(`instance/${life.refId}`).terminate('a test');
      await vi.waitFor(async () => expect(await life.live()).toEqual([]), { timeout: 20_000 });
    });
  });
});

describe.concurrent('a watch that others wake all the time', () => {
  const ROUNDS = 60;
  const AT_ONCE = 10;

  it('begins a new history in time, and forgets neither what was sold out nor what it told', async () => {
    await withSlipway({ watchTiming: { alertMs: 60_000, turnMs: 300 } }, async (slipway) => {
      const life = await begin(slipway);
      await life.until('ready');
      await afterListings(slipway, 3);
      const before = await historyOf(slipway.temporal, life.refId);
      const watcher = watcherOf(slipway);
      const { runId } = await watcher.describe();
      const entry = { count: 1, untilMs: Date.now() + 600_000 };
      const isNew = async () => (await watcher.describe()).runId !== runId;
      const refused: Record<string, typeof entry> = {};
      for (let round = 0; round < ROUNDS && !(await isNew()); round += 1) {
        await Promise.all(Array.from({ length: AT_ONCE }, () => watcher.signal('wake')));
        await watcher.signal('refused', { offer: `a/b/${round}`, entry });
        refused[`a/b/${round}`] = entry;
      }
      await vi.waitFor(async () => expect(await isNew()).toBe(true), { timeout: 20_000 });
      expect(await watcher.query('refusals')).toEqual(refused);
      await afterListings(slipway, 5);
      expect(await historyOf(slipway.temporal, life.refId), 'the instance was told nothing twice').toEqual(before);
      await endAndProve(slipway, life);
    });
  });
});

describe('with no workflow kept in memory', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    slipway = await openSlipway({ maxCachedWorkflows: 0, watchTiming: QUICK });
  });
  afterAll(async () => await slipway?.close());

  it('every task replays the whole history, and one full life goes as ever', async () => {
    const { client } = slipway;
    const life = await begin(
      slipway,
      { offers: [offerAt(slipway), offerAt(slipway, 'us-east-1')] },
      {
        operation: 'create',
        kind: 'boot-fails',
      },
    );
    const { refId } = life;
    const { hostKey } = await life.until('ready');
    await client.updateTags(refId, { tags: { team: 'b' } });
    await client.stop(refId);
    await life.until('stopped');
    await client.start(refId);
    expect(await life.until('ready')).toMatchObject({ hostKey, tags: { team: 'b' } });
    await client.reboot(refId);
    await life.seen('RebootAccepted');
    await life.until('ready');
    await endAndProve(slipway, life);
    expect(await life.machines()).toHaveLength(2);
    expect(brokenTasks(await historyOf(slipway.temporal, refId))).toEqual([]);
  });
});
