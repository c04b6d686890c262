import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { CloudCredRefId } from '../domain/ids.js';
import type { Provider } from '../domain/provider.js';
import type { CreateDeps } from './create.js';
import { providerActivities } from './provider.js';
import { RefusalMemory } from './refusals.js';
import { SharedListing } from './shared-listing.js';
import { type BastionOf, type SshKeys, slipwayPublicKey, sshActivities } from './ssh.js';
import type { Activities } from './types.js';
import { type WatchTiming, watchActivities } from './watch/index.js';
import { WatcherRegistry } from './watch/watchers.js';

export type { Activities } from './types.js';

export interface ActivityDeps {
  /** @throws {ProviderError} InvalidRequest for a credential this worker does not know. */
  provider(cloudCredRefId: CloudCredRefId): Provider;
  sshKeys: SshKeys;
  /** The bastion of an account, if it has one. */
  bastion?: BastionOf;
  client: Client;
  taskQueue: string;
  logger: Logger;
  strays: 'report' | 'terminate';
  /** What a journal knows, if there is one: see `CreateDeps`. */
  usualBoot?: CreateDeps['usualBoot'];
  /** Aborts when this worker is going away. */
  leaving: AbortSignal;
  watchTiming?: Partial<WatchTiming>;
}

/** The only place where workflows touch the world. One set per worker process: what it shares, its instances share. */
export function createActivities(deps: ActivityDeps): { activities: Activities; watchers: WatcherRegistry } {
  const watchers = new WatcherRegistry(deps.client, deps.taskQueue, deps.logger);
  const listings = new Map<CloudCredRefId, SharedListing>();
  const listing = (cloudCredRefId: CloudCredRefId): SharedListing => {
    const known = listings.get(cloudCredRefId) ?? new SharedListing(deps.provider(cloudCredRefId));
    listings.set(cloudCredRefId, known);
    return known;
  };
  const refusals = new RefusalMemory(deps.client, deps.logger);
  const activities: Activities = {
    ...providerActivities({
      provider: deps.provider,
      listing,
      publicKeyOf: (sshKeyRef) => slipwayPublicKey(deps.sshKeys, sshKeyRef),
      wakeWatcher: (cloudCredRefId) => watchers.wake(cloudCredRefId),
      watchedAt: (cloudCredRefId) => watchers.listedAt(cloudCredRefId),
      usualBoot: deps.usualBoot ?? (async () => undefined),
      leaving: deps.leaving,
      refusals,
    }),
    ...sshActivities(deps.sshKeys, deps.leaving, deps.bastion),
    // The facts that came with it are what it is for: `journal/interceptor.ts` has dealt with them by now.
    recordEvents: async () => undefined,
    ...watchActivities({ ...deps, listing, watchers, refusals, timing: deps.watchTiming }),
  };
  return { activities, watchers };
}
