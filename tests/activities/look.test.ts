import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { type ProviderDeps, providerActivities } from '../../src/activities/provider.js';
import { SharedListing } from '../../src/activities/shared-listing.js';
import type { Looked, LookInput } from '../../src/activities/types.js';
import { ProviderError } from '../../src/domain/errors.js';
import { toIsoTime } from '../../src/domain/ids.js';
import type { CloudInstance, Provider } from '../../src/domain/provider.js';

const machine = { cloudId: 'i-1', refId: 'r1', status: 'running', createdAt: toIsoTime(0) } as CloudInstance;
const ref = { cloudCredRefId: 'sim', location: 'us-west-1', refId: 'r1', cloudId: 'i-1' };

/** Looks at a machine that a get does not find, and that the listing shows like this. */
function look(
  listInstances: () => Promise<CloudInstance[]>,
  more: Pick<LookInput, 'isSuspected'> = {},
): Promise<Looked> {
  const provider = {
    id: 'sim',
    cloudCredRefId: 'sim',
    limits: { pollIntervalMs: 1, listingLagMs: 0 },
    getInstance: async () => {
      throw new ProviderError({ kind: 'InstanceNotFound', message: 'no such machine' });
    },
    listInstances,
  } as unknown as Provider;
  const listing = new SharedListing(provider);
  const activities = providerActivities({
    provider: () => provider,
    listing: () => listing,
    wakeWatcher: async () => undefined,
    watchedAt: async () => undefined,
    leaving: new AbortController().signal,
  } as unknown as ProviderDeps);
  const input: LookInput = { ...ref, trust: 'nobody', ...more };
  const env = new MockActivityEnvironment({ attempt: 2 }, { logger: new DefaultLogger('ERROR') });
  return env.run(activities.lookAtInstance, input) as Promise<Looked>;
}

describe('a machine that a get does not find', () => {
  it('is absent when a complete listing lacks it, too', async () => {
    const { observation } = await look(async () => []);
    expect(observation).toMatchObject({ cloudId: 'i-1', status: 'absent' });
  });

  it('is there when a listing shows it: one witness may be stale, and what is in use must not be ended for that', async () => {
    const { observation } = await look(async () => [machine]);
    expect(observation).toMatchObject({ cloudId: 'i-1', status: 'running' });
  });

  it('is not judged while the account cannot be listed', async () => {
    const fails = async () => {
      throw new ProviderError({ kind: 'Internal', message: 'half a page' });
    };
    await expect(look(fails)).rejects.toMatchObject({ type: 'Internal' });
  });

  it('is asked for again whatever the error, once it is suspected to be gone', async () => {
    const fails = async () => {
      throw new ProviderError({ kind: 'Unauthenticated', message: 'who are you' });
    };
    await expect(look(fails)).rejects.toMatchObject({ nonRetryable: true });
    await expect(look(fails, { isSuspected: true })).rejects.toMatchObject({ nonRetryable: false });
  });
});
