import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { LifecycleStatus, Provider } from '../../domain/provider.js';
import type { StrayDebt } from '../../domain/stray-debt.js';
import { toFact } from '../failure.js';
import type { RefusalMemory } from '../refusals.js';
import type { Listing, SharedListing } from '../shared-listing.js';
import type { Watched, Watchfulness } from '../types.js';
import type { Memory } from './memory.js';
import { StockLook } from './stock-look.js';
import { Strays } from './strays.js';
import { Telling } from './telling.js';
import type { WatchTiming } from './timing.js';
import type { WatcherRegistry } from './watchers.js';

/** A settled watch costs an action for each, and its workflow hears little: it lasts so many turns. */
const SETTLED_TURNS = 12;
const SETTLED: ReadonlySet<LifecycleStatus> = new Set<LifecycleStatus>(['running', 'stopped', 'suspended', 'failed']);

export interface AccountWatchOptions {
  provider: Provider;
  listing: SharedListing;
  refusals: RefusalMemory;
  client: Client;
  logger: Logger;
  /** What to do with a live machine that has our identity and that no workflow here ever knew. */
  strays: 'report' | 'terminate';
  timing: WatchTiming;
}

/** This process's part in the watch: where it sleeps, and is nudged. */
export type Watcher = ReturnType<WatcherRegistry['open']> & {
  /** What was compared is kept for the next watch in this process. */
  remember(): void;
};

/** One watch of an account: lists, has it told, and finds how watchful the next one is to be. */
export class AccountWatch {
  private readonly strays: Strays;
  private readonly stock: StockLook;
  private readonly telling: Telling;

  constructor(
    private readonly options: AccountWatchOptions,
    private readonly memory: Memory,
  ) {
    const { client, provider, logger, refusals, strays: policy, timing } = options;
    const { strayGraceMs: graceMs, settledIntervalMs: restfulGapMs, stockIntervalMs: intervalMs } = timing;
    this.strays = new Strays({ client, provider, logger, policy, graceMs, restfulGapMs }, memory.strays);
    this.stock = new StockLook({ provider, refusals, logger, intervalMs }, memory.stock);
    this.telling = new Telling({ client, provider, logger, graceMs }, memory, this.strays);
  }

  /** What the account's watch holds for owed is looked for: it may be gone since before our time. */
  recall(owed: readonly StrayDebt[]): void {
    const { seen } = this.memory;
    this.strays.recall(owed);
    for (const { cloudId, refId } of owed) if (!seen.has(cloudId)) seen.set(cloudId, { refId, absences: 0 });
  }

  /** Looks until another watchfulness is due. What could not be listed decides nothing. */
  async run(watchfulness: Watchfulness, watcher: Watcher, signal: AbortSignal): Promise<Watched['next']> {
    const { ownersIntervalMs, alertMs, idleAfterMs, turnMs } = this.options.timing;
    let busyAt = Date.now();
    const endsAt = Date.now() + turnMs * (watchfulness === 'settled' ? SETTLED_TURNS : 1);
    for (;;) {
      const lookedAt = Date.now();
      if (lookedAt - this.memory.ownersAskedAt >= ownersIntervalMs) await this.telling.askForOwners();
      this.stock.beginIfDue(watchfulness, signal);
      const listing = await this.list(signal);
      if (listing) {
        watcher.listed(listing.startedAt);
        await this.telling.compare(listing, signal);
        watcher.remember();
        if (!this.isEmpty || this.stock.isNeeded) busyAt = Date.now();
        const isCalm = this.isCalm(listing);
        const isOver = Date.now() - watcher.lastWake() >= alertMs;
        if (watchfulness === 'alert' && isCalm && isOver) return 'settled';
        if (watchfulness === 'settled' && !isCalm) return 'alert';
        if (watchfulness === 'settled' && Date.now() - busyAt > idleAfterMs) return 'sleep';
        if (watchfulness === 'sweep') return this.isEmpty ? 'sleep' : 'alert';
      }
      if (Date.now() >= endsAt) return watchfulness === 'settled' ? 'settled' : 'alert';
      // From one look to the next: what listing and telling take is part of the interval.
      const next = (listing?.startedAt ?? lookedAt) + this.pace(watchfulness);
      await watcher.sleep(Math.max(0, next - Date.now()), signal);
      if (watcher.isRelieved()) return 'alert';
    }
  }

  private pace(watchfulness: Watchfulness): number {
    const { provider, timing } = this.options;
    const { pollIntervalMs } = provider.limits;
    const settled = Math.max(pollIntervalMs, timing.settledIntervalMs);
    const pace = watchfulness === 'settled' ? settled : pollIntervalMs;
    const { failures } = this.memory;
    return failures > 0 ? Math.max(pace, Math.min(60_000, 1_000 * 2 ** failures)) : pace;
  }

  private get isEmpty(): boolean {
    return this.memory.seen.size === 0 && this.strays.isEmpty;
  }

  private isCalm({ instances }: Listing): boolean {
    if (this.strays.isRestless || this.telling.hasAbsences) return false;
    return instances.every(({ status }) => SETTLED.has(status));
  }

  private async list(signal: AbortSignal): Promise<Listing | undefined> {
    const { listing, logger, provider } = this.options;
    try {
      const listed = await listing.since(Date.now(), signal);
      this.memory.failures = 0;
      return listed;
    } catch (error) {
      signal.throwIfAborted();
      this.memory.failures += 1;
      const { cloudCredRefId } = provider;
      const { failures } = this.memory;
      logger.warn({ cloudCredRefId, failure: toFact(error), failures }, 'Listing an account failed');
      return undefined;
    }
  }
}
