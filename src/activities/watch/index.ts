import { activityInfo, cancellationDetails } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { CloudCredRefId } from '../../domain/ids.js';
import type { Provider } from '../../domain/provider.js';
import { alive } from '../heartbeat.js';
import type { RefusalMemory } from '../refusals.js';
import type { SharedListing } from '../shared-listing.js';
import type { WatchActivities } from '../types.js';
import { AccountWatch } from './account-watch.js';
import { type Memory, newMemory } from './memory.js';
import { WATCH_TIMING, type WatchTiming } from './timing.js';
import type { WatcherRegistry } from './watchers.js';

export type { WatchTiming } from './timing.js';

export interface WatchDeps {
  provider(cloudCredRefId: CloudCredRefId): Provider;
  listing(cloudCredRefId: CloudCredRefId): SharedListing;
  watchers: WatcherRegistry;
  refusals: RefusalMemory;
  client: Client;
  logger: Logger;
  /** Aborts when this worker is going away. */
  leaving: AbortSignal;
  /** What to do with a live machine that has our identity and that no workflow here ever knew. */
  strays: 'report' | 'terminate';
  timing?: Partial<WatchTiming>;
}

interface Remembered {
  watchId: string;
  memory: Memory;
  /** When a listing was last compared with it, epoch ms. */
  at: number;
}

/**
 * Watches one account: one listing serves every instance in it. An entity hears only of changes.
 *
 * What cannot be seen whole is not judged: a listing that fails leaves everything as it was. Losing this process loses
 * the memory of what was told; the first listing then tells whoever stands elsewhere than the provider says.
 */
export function watchActivities(deps: WatchDeps): WatchActivities {
  const { client, logger, refusals, strays, watchers } = deps;
  const timing = { ...WATCH_TIMING, ...deps.timing };
  const remembered = new Map<CloudCredRefId, Remembered>();
  return {
    watchAccount: ({ cloudCredRefId, watchfulness, watchId, after, owed = [] }) =>
      alive(
        async ({ signal, report }) => {
          const provider = deps.provider(cloudCredRefId);
          const listing = deps.listing(cloudCredRefId);
          const watcher = watchers.open(cloudCredRefId, report, watchfulness);
          const before = remembered.get(cloudCredRefId);
          const isOurs = activityInfo().attempt === 1 && before !== undefined && before.watchId === after;
          const known = isOurs && Date.now() - before.at < timing.rememberMs ? before.memory : undefined;
          const memory = known ?? newMemory();
          const remember = () => {
            if (!watcher.isRelieved()) remembered.set(cloudCredRefId, { watchId, memory, at: Date.now() });
          };
          try {
            const account = new AccountWatch({ provider, listing, refusals, client, logger, strays, timing }, memory);
            account.recall(owed);
            return { next: await account.run(watchfulness, { ...watcher, remember }, signal) };
          } finally {
            watcher.close();
            // Somebody ended its workflow by force: what is ready would be watched no more until the next call.
            if (cancellationDetails()?.notFound) await watchers.wake(cloudCredRefId);
          }
        },
        { leaving: deps.leaving, patience: 'forever' },
      ),
  };
}
