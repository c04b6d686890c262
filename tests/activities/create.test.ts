import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { createActivities } from '../../src/activities/create.js';
import type { RefusalMemory } from '../../src/activities/refusals.js';
import { SharedListing } from '../../src/activities/shared-listing.js';
import { toIsoTime } from '../../src/domain/ids.js';
import type { CloudInstance, CreateOutcome, Provider } from '../../src/domain/provider.js';
import { machineOf } from '../support/watched-account.js';

const machine = machineOf('r1', { cloudId: 'i-1', attemptKey: 'r1-1', status: 'pending' });
const offer = { cloudCredRefId: 'sim', location: 'us-west-1', instanceType: 'gpu_1x_a10' };

/** Runs an activity as a worker would, without its log. */
function run<Input, Result>(activity: (input: Input) => Promise<Result>, input: Input): Promise<Result> {
  const env = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  return env.run(activity, input) as Promise<Result>;
}

/** A provider that answers listings from a script, then with the last of it, and counts what it is asked. */
function scripted(listings: CloudInstance[][], lagMs = 0, outcome?: CreateOutcome, isFirst = false) {
  const asked = { lists: 0, creates: 0, wakes: 0 };
  const provider = {
    id: 'sim',
    cloudCredRefId: 'sim',
    limits: { pollIntervalMs: 1, listingLagMs: lagMs },
    listInstances: async () => listings[Math.min(asked.lists++, listings.length - 1)] ?? [],
    createInstance: async () => {
      asked.creates += 1;
      return outcome;
    },
  } as unknown as Provider;
  const refusals = {
    admit: async () => ({ admission: 'go' }),
    open: async () => undefined,
    refused: async () => ({ isFirst }),
  } as unknown as RefusalMemory;
  const activities = createActivities({
    provider: () => provider,
    listing: (() => {
      const listing = new SharedListing(provider);
      return () => listing;
    })(),
    publicKeyOf: () => 'ssh-ed25519 AAAA',
    refusals,
    wakeWatcher: async () => {
      asked.wakes += 1;
    },
    usualBoot: async () => ({ machines: 12, p50Ms: 60_000, p99Ms: 90_000 }),
    leaving: new AbortController().signal,
  });
  return { activities, asked };
}

describe('looking for what an unanswered create made', () => {
  const look = (listings: CloudInstance[][], lagMs?: number, since = Date.now()) => {
    const { activities, asked } = scripted(listings, lagMs);
    const input = { offer, refId: 'r1', attempt: 1, since: toIsoTime(since) };
    return run(activities.resolveCreate, input).then((resolved) => ({ resolved, asked }));
  };

  it('finds a machine that the first listing lacks: one absence proves nothing', async () => {
    const { resolved } = await look([[], [machine]]);
    expect(resolved).toMatchObject({ found: { adopted: true, instance: { cloudId: 'i-1' } } });
  });

  it('calls it absent after two complete listings, the last begun past the listing lag', async () => {
    const startedAt = Date.now();
    const { resolved, asked } = await look([[]], 200, startedAt);
    expect(resolved.found).toBeUndefined();
    expect(asked.lists).toBeGreaterThanOrEqual(2);
    expect(Date.now()).toBeGreaterThanOrEqual(startedAt + 200);
  });

  it.each(['terminating', 'terminated'] as const)('does not adopt one that is %s', async (status) => {
    const { resolved } = await look([[{ ...machine, status }]]);
    expect(resolved.found).toBeUndefined();
  });

  it('adopts one that failed if this very attempt made it, so that it is owned and ended', async () => {
    const failed = { ...machine, status: 'failed' } as const;
    expect((await look([[failed]])).resolved.found).toBeDefined();
    expect((await look([[{ ...failed, attemptKey: 'r1-0' }]])).resolved.found).toBeUndefined();
  });

  it('does not adopt another instance’s machine', async () => {
    const { resolved } = await look([[{ ...machine, refId: 'r2' }]]);
    expect(resolved.found).toBeUndefined();
  });
});

const input = {
  refId: 'r1',
  attempt: 1,
  offer,
  name: 'r1',
  publicKey: 'ssh-ed25519 AAAA',
  sshKeyRef: 'default',
  tags: {},
  firewallRules: { ingressRules: [], egressRules: [] },
};

describe('a create that finds nothing in stock', () => {
  const refused: CreateOutcome = {
    outcome: 'refused',
    failure: { kind: 'InsufficientResources', message: 'none', operation: 'createInstance' },
  };

  it.each([
    [true, 1, 'wakes its account’s watch, which looks for stock from now on'],
    [false, 0, 'leaves the watch alone, which looks for stock already'],
  ])('where it is the first: %s, %i times: %s', async (isFirst, wakes) => {
    const { activities, asked } = scripted([[]], 0, refused, isFirst);
    await expect(run(activities.createInstance, input)).rejects.toMatchObject({ type: 'InsufficientResources' });
    expect(asked.wakes).toBe(wakes);
  });
});

describe('a create that is made twice in one process', () => {
  const exists: CreateOutcome = { outcome: 'exists', instance: machine, adopted: false };

  it('reaches the provider once, at once and after it was answered', async () => {
    const { activities, asked } = scripted([[]], 0, exists);
    const create = () => run(activities.createInstance, input);
    const both = await Promise.all([create(), create()]);
    expect([...both, await create()].map(({ instance }) => instance.cloudId)).toEqual(['i-1', 'i-1', 'i-1']);
    expect(asked.creates).toBe(1);
  });

  it('is held back when a reset gave it out again: the call of the run before may still be on its way', async () => {
    const { activities, asked } = scripted([[]], 0, exists);
    const workflowExecution = { workflowId: 'instance/r1', runId: 'the new run' };
    const inNewRun = () => new MockActivityEnvironment({ workflowExecution }, { logger: new DefaultLogger('ERROR') });
    const env = inNewRun();
    const sent = env.run(activities.createInstance, { ...input, originalRunId: 'the run before' });
    setImmediate(() => env.cancel()); // whoever does not wait has asked the provider by now
    await expect(sent).rejects.toThrow(CancelledFailure);
    expect(asked.creates).toBe(0);

    await inNewRun().run(activities.createInstance, { ...input, attempt: 2, originalRunId: 'the new run' });
    expect(asked.creates).toBe(1);
  });

  it('reaches the provider again for another attempt, and after a refusal', async () => {
    const { activities, asked } = scripted([[]], 0, exists);
    const create = (attempt: number) => run(activities.createInstance, { ...input, attempt });
    await create(1);
    await create(2);
    expect(asked.creates).toBe(2);

    const failure = { kind: 'InsufficientResources', message: 'none left' } as const;
    const soldOut = scripted([[]], 0, { outcome: 'refused', failure });
    const refused = () => run(soldOut.activities.createInstance, input);
    await expect(refused()).rejects.toMatchObject({ type: 'InsufficientResources' });
    await expect(refused()).rejects.toMatchObject({ type: 'InsufficientResources' });
    expect(soldOut.asked.creates).toBe(2);
  });
});
