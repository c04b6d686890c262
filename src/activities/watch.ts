import { activityInfo, cancellationDetails } from '@temporalio/activity';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import PQueue from 'p-queue';
import type { Logger } from 'pino';
import { type CloudCredRefId, INSTANCE_WORKFLOW_PREFIX, instanceWorkflowId, toIsoTime } from '../domain/ids.js';
import type { Observation, Phase } from '../domain/instance/index.js';
import type { CloudInstance, LifecycleStatus, Provider } from '../domain/provider.js';
import { SEARCH_ATTRIBUTES } from '../domain/search-attributes.js';
import type { StrayDebt } from '../domain/stray-debt.js';
import { toFact } from './failure.js';
import { alive } from './heartbeat.js';
import { toObservation } from './observation.js';
import type { RefusalMemory } from './refusals.js';
import type { SharedListing } from './shared-listing.js';
import { newStockMemory, StockLook, type StockMemory } from './stock-look.js';
import { type StrayMemory, Strays } from './strays.js';
import type { WatchActivities, Watched, Watchfulness } from './types.js';
import type { WatcherRegistry } from './watchers.js';

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

/** All in ms. */
export interface WatchTiming {
  /** Pace when every machine is settled. */
  settledIntervalMs: number;
  /** After a wake-up: how long to keep the fast pace although nothing is to be seen yet. */
  alertMs: number;
  /** How long an account without machines is watched at that pace before the watcher goes to sleep. */
  idleAfterMs: number;
  /** How long a machine must have been without an owner before it counts as a stray. */
  strayGraceMs: number;
  /** What was known so long ago may have been overtaken: by a watcher elsewhere, while this process was held up. */
  rememberMs: number;
  /** How often Temporal is asked which instances there are, besides at the start: no listing tells that an owner went away. */
  ownersIntervalMs: number;
  /** How often the catalog is looked at while offers stand refused; never more often than the account is listed. */
  stockIntervalMs: number;
  /** One watch lasts no longer: only between two can its workflow, which counts every wake-up, begin a new history. */
  turnMs: number;
}

const TIMING: WatchTiming = {
  settledIntervalMs: 60_000,
  alertMs: 30_000,
  idleAfterMs: 120_000,
  strayGraceMs: 60_000,
  rememberMs: 180_000,
  ownersIntervalMs: 15 * 60_000,
  stockIntervalMs: 60_000,
  turnMs: 30 * 60_000,
};

/** Two complete listings without it: then its entity is told, and makes sure with a get. */
const ABSENCES = 2;
const SIGNALS_AT_ONCE = 20;
/** A settled watch costs an action for each, and its workflow hears little: it lasts so many turns. */
const SETTLED_TURNS = 12;
/** Listings wait for visibility meanwhile, in ms: ten pages tell of 10,000 instances. */
const OWNERS_WITHIN_MS = 30_000;
/** Phases in which an entity waits for nothing, and would never look by itself. */
const RESTING: ReadonlySet<Phase> = new Set<Phase>(['ready', 'stopped']);
const SETTLED: ReadonlySet<LifecycleStatus> = new Set<LifecycleStatus>(['running', 'stopped', 'suspended', 'failed']);

/** One of the account's machines, as the watcher remembers it between two listings. */
interface Seen {
  refId: string;
  /** What its entity was last told, or knew by itself; absent: to be told, for it may be there no more. */
  told?: CloudInstance;
  absences: number;
  /** The number of the last listing that showed it. */
  listing?: number;
  /** A machine that was first seen booting: its entity has just created it, and needs no telling. Epoch ms. */
  untoldSince?: number;
}

/**
 * Watches one account: one listing serves every instance in it. An entity hears only of changes.
 *
 * What cannot be seen whole is not judged: a listing that fails leaves everything as it was. Losing this process loses
 * the memory of what was told; the first listing then tells whoever stands elsewhere than the provider says.
 */
export function watchActivities(deps: WatchDeps): WatchActivities {
  const timing = { ...TIMING, ...deps.timing };
  const remembered = new Map<CloudCredRefId, Remembered>();
  return {
    watchAccount: ({ cloudCredRefId, watchfulness, watchId, after, owed = [] }) =>
      alive(
        async ({ signal, report }) => {
          const provider = deps.provider(cloudCredRefId);
          const watcher = deps.watchers.open(cloudCredRefId, report, watchfulness);
          const before = remembered.get(cloudCredRefId);
          const isOurs = activityInfo().attempt === 1 && before !== undefined && before.watchId === after;
          const known = isOurs && Date.now() - before.at < timing.rememberMs ? before.memory : undefined;
          const memory = known ?? newMemory();
          const remember = () => {
            if (!watcher.isRelieved()) remembered.set(cloudCredRefId, { watchId, memory, at: Date.now() });
          };
          try {
            const account = new AccountWatch(deps, timing, provider, memory);
            account.recall(owed);
            return { next: await account.run(watchfulness, { ...watcher, remember }, signal) };
          } finally {
            watcher.close();
            // Somebody ended its workflow by force: what is ready would be watched no more until the next call.
            if (cancellationDetails()?.notFound) await deps.watchers.wake(cloudCredRefId);
          }
        },
        { leaving: deps.leaving, patience: 'forever' },
      ),
  };
}

/** What one account's watches know of each other's telling: each goes on where the one before it stopped. */
interface Memory {
  seen: Map<string, Seen>;
  strays: StrayMemory;
  stock: StockMemory;
  /** Entities that count on a machine which no listing has shown yet: it may be gone since before our time. */
  unseen: Set<string>;
  /** When Temporal was last asked which instances there are, epoch ms. */
  ownersAskedAt: number;
  /** How many were compared. */
  listings: number;
  failures: number;
}

interface Remembered {
  watchId: string;
  memory: Memory;
  /** When a listing was last compared with it, epoch ms. */
  at: number;
}

const newMemory = (): Memory => ({
  seen: new Map(),
  strays: new Map(),
  stock: newStockMemory(),
  unseen: new Set(),
  ownersAskedAt: 0,
  listings: 0,
  failures: 0,
});

type Watcher = ReturnType<WatcherRegistry['open']> & { remember(): void };

class AccountWatch {
  private readonly queue = new PQueue({ concurrency: SIGNALS_AT_ONCE });
  /** From visibility, just asked; until the listing after it was compared. */
  private believed: Map<string, Phase | undefined> | undefined;

  private readonly strays: Strays;
  private readonly stock: StockLook;

  constructor(
    private readonly deps: WatchDeps,
    private readonly timing: WatchTiming,
    private readonly provider: Provider,
    private readonly memory: Memory,
  ) {
    const { client, logger, refusals, strays: policy } = deps;
    const { strayGraceMs: graceMs, settledIntervalMs: restfulGapMs, stockIntervalMs: intervalMs } = timing;
    this.strays = new Strays({ client, provider, logger, policy, graceMs, restfulGapMs }, memory.strays);
    this.stock = new StockLook({ provider, refusals, logger, intervalMs }, memory.stock);
  }

  /** What the account's watch holds for owed is looked for: it may be gone since before our time. */
  recall(owed: readonly StrayDebt[]): void {
    const { seen } = this.memory;
    this.strays.recall(owed);
    for (const { cloudId, refId } of owed) if (!seen.has(cloudId)) seen.set(cloudId, { refId, absences: 0 });
  }

  /**
   * A workflow that was ended by force says nothing, and its machine does not change. So whoever visibility does not show
   * is told anew: it lags, but only a signal that reaches nobody makes a stray. Whoever rests is expected in the listing
   * that follows.
   */
  private async askWhatEntitiesBelieve(): Promise<void> {
    this.memory.ownersAskedAt = Date.now();
    this.believed = await this.whatEntitiesBelieve();
    if (!this.believed) return;
    for (const [refId, phase] of this.believed) if (phase && RESTING.has(phase)) this.memory.unseen.add(refId);
    for (const known of this.memory.seen.values()) if (!this.believed.has(known.refId)) known.told = undefined;
  }

  /** Looks until another watchfulness is due. What could not be listed decides nothing. */
  async run(watchfulness: Watchfulness, watcher: Watcher, signal: AbortSignal): Promise<Watched['next']> {
    let busyAt = Date.now();
    const endsAt = Date.now() + this.timing.turnMs * (watchfulness === 'settled' ? SETTLED_TURNS : 1);
    for (;;) {
      const lookedAt = Date.now();
      if (lookedAt - this.memory.ownersAskedAt >= this.timing.ownersIntervalMs) await this.askWhatEntitiesBelieve();
      this.stock.beginIfDue(watchfulness, signal);
      const listing = await this.list(signal);
      if (listing) {
        watcher.listed(listing.startedAt);
        await this.compare(listing.instances, listing.startedAt, signal);
        watcher.remember();
        if (!this.isEmpty() || this.stock.isNeeded) busyAt = Date.now();
        const isCalm = !this.hasAbsences() && listing.instances.every(({ status }) => SETTLED.has(status));
        const isOver = Date.now() - watcher.lastWake() >= this.timing.alertMs;
        if (watchfulness === 'alert' && isCalm && isOver) return 'settled';
        if (watchfulness === 'settled' && !isCalm) return 'alert';
        if (watchfulness === 'settled' && Date.now() - busyAt > this.timing.idleAfterMs) return 'sleep';
        if (watchfulness === 'sweep') return this.isEmpty() ? 'sleep' : 'alert';
      }
      if (Date.now() >= endsAt) return watchfulness === 'settled' ? 'settled' : 'alert';
      // From one look to the next: what listing and telling take is part of the interval.
      const next = (listing?.startedAt ?? lookedAt) + this.pace(watchfulness);
      await watcher.sleep(Math.max(0, next - Date.now()), signal);
      if (watcher.isRelieved()) return 'alert';
    }
  }

  private pace(watchfulness: Watchfulness): number {
    const { pollIntervalMs } = this.provider.limits;
    const settled = Math.max(pollIntervalMs, this.timing.settledIntervalMs);
    const pace = watchfulness === 'settled' ? settled : pollIntervalMs;
    const { failures } = this.memory;
    return failures > 0 ? Math.max(pace, Math.min(60_000, 1_000 * 2 ** failures)) : pace;
  }

  private isEmpty(): boolean {
    return this.memory.seen.size === 0 && this.strays.isEmpty;
  }

  private hasAbsences(): boolean {
    if (this.strays.isRestless) return true;
    for (const { absences } of this.memory.seen.values()) if (absences > 0) return true;
    return false;
  }

  private async list(signal: AbortSignal) {
    const { cloudCredRefId } = this.provider;
    try {
      const listing = await this.deps.listing(cloudCredRefId).since(Date.now(), signal);
      this.memory.failures = 0;
      return listing;
    } catch (error) {
      signal.throwIfAborted();
      this.memory.failures += 1;
      const failure = toFact(error);
      this.deps.logger.warn({ cloudCredRefId, failure, failures: this.memory.failures }, 'Listing an account failed');
      return undefined;
    }
  }

  private async compare(instances: readonly CloudInstance[], at: number, signal: AbortSignal): Promise<void> {
    this.memory.listings += 1;
    const listing = this.memory.listings;
    for (const instance of instances) {
      if (!instance.refId) continue;
      this.memory.unseen.delete(instance.refId);
      const { refId } = instance;
      const known = this.memory.seen.get(instance.cloudId);
      if (known) {
        known.absences = 0;
        known.listing = listing;
      }
      if (known && isAsTold(known.told, instance)) known.told = instance; // the older one can be let go
      if (known?.told === instance && !this.strays.isDue(instance.cloudId) && !this.isOverdue(known)) continue;
      if (!known && (instance.status === 'pending' || this.isAsBelieved(refId, instance.status))) {
        const untoldSince = instance.status === 'pending' ? Date.now() : undefined;
        this.memory.seen.set(instance.cloudId, { refId, told: instance, absences: 0, listing, untoldSince });
        continue;
      }
      this.later(async () => {
        const outcome = await this.tell(refId, toObservation(instance, at, this.provider.cloudCredRefId));
        if (outcome !== 'failed')
          this.memory.seen.set(instance.cloudId, { refId, told: instance, absences: 0, listing });
        if (outcome === 'told') await this.strays.forget(instance.cloudId);
        if (outcome === 'nobody') await this.strays.lookInto(instance, signal);
      });
    }
    for (const [cloudId, known] of this.memory.seen) {
      if (known.listing === listing) continue;
      known.absences += 1;
      if (known.absences < ABSENCES) continue;
      const gone: Observation = { cloudId, at: toIsoTime(at), status: 'absent', message: `in ${ABSENCES} listings` };
      this.later(async () => {
        if ((await this.tell(known.refId, gone)) === 'failed') return;
        await this.strays.forget(cloudId);
        this.memory.seen.delete(cloudId);
      });
    }
    for (const refId of this.memory.unseen) {
      this.later(async () => {
        if ((await this.signal(refId, 'missing', { at: toIsoTime(at) })) !== 'failed') this.memory.unseen.delete(refId);
      });
    }
    await this.queue.onIdle();
    this.believed = undefined; // from here on our own memory is newer
  }

  /** What fails waits for the next listing, which asks anew: a rejection that nobody awaits would end the whole worker. */
  private later(work: () => Promise<void>): void {
    void this.queue.add(async () => {
      try {
        await work();
      } catch (error) {
        const { cloudCredRefId } = this.provider;
        this.deps.logger.warn({ cloudCredRefId, err: error }, 'A listing could not be followed up; the next one is');
      }
    });
  }

  private tell(refId: string, observation: Observation): Promise<'told' | 'nobody' | 'failed'> {
    return this.signal(refId, 'observed', observation);
  }

  private async signal(
    refId: string,
    name: 'observed' | 'missing',
    about: object,
  ): Promise<'told' | 'nobody' | 'failed'> {
    try {
      await this.deps.client.workflow.getHandle(instanceWorkflowId(refId)).signal(name, about);
      return 'told';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return 'nobody';
      this.deps.logger.warn({ refId, err: error }, 'An observation could not be delivered; it will be sent again');
      return 'failed';
    }
  }

  /** Booting for longer than a stray's grace, and nobody was told: it may be one. */
  private isOverdue({ untoldSince }: Seen): boolean {
    return untoldSince !== undefined && Date.now() - untoldSince > this.timing.strayGraceMs;
  }

  private isAsBelieved(refId: string, status: LifecycleStatus): boolean {
    const phase = this.believed?.get(refId);
    return (phase === 'ready' && status === 'running') || (phase === 'stopped' && status === 'stopped');
  }

  /** Every open instance of the account, a thousand to a page. What visibility does not say costs an event and harms nobody. */
  private async whatEntitiesBelieve(): Promise<Map<string, Phase | undefined> | undefined> {
    const { phase, credential } = SEARCH_ATTRIBUTES;
    const query = `WorkflowType = 'instance' AND ExecutionStatus = 'Running' AND ${credential} = '${this.provider.cloudCredRefId}'`;
    const { client } = this.deps;
    const believed = new Map<string, Phase | undefined>();
    try {
      await client.withDeadline(Date.now() + OWNERS_WITHIN_MS, async () => {
        for await (const { workflowId, searchAttributes } of client.workflow.list({ query })) {
          const [value] = (searchAttributes[phase] ?? []) as Phase[];
          believed.set(workflowId.slice(INSTANCE_WORKFLOW_PREFIX.length), value);
        }
      });
      return believed;
    } catch (error) {
      this.deps.logger.warn({ err: error }, 'Visibility did not answer; who has an owner is asked again later');
      return undefined;
    }
  }
}

/** What makes a difference to an entity. */
const TOLD = ['status', 'statusMessage', 'publicAddress', 'privateAddress', 'sshPort'] as const;

/** Asked of every machine with every listing. */
function isAsTold(told: CloudInstance | undefined, now: CloudInstance): boolean {
  if (!told || TOLD.some((field) => told[field] !== now[field])) return false;
  if (!told.portMappings && !now.portMappings) return true;
  return JSON.stringify(told.portMappings) === JSON.stringify(now.portMappings);
}
