import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { RefusalMemory } from '../../src/activities/refusals.js';
import { SharedListing } from '../../src/activities/shared-listing.js';
import type { Watched, WatchInput } from '../../src/activities/types.js';
import { type WatchTiming, watchActivities } from '../../src/activities/watch/index.js';
import { WatcherRegistry } from '../../src/activities/watch/watchers.js';
import type { ProviderError } from '../../src/domain/errors.js';
import { instanceWorkflowId, toIsoTime, watchWorkflowId } from '../../src/domain/ids.js';
import type { Refusal, Refusals } from '../../src/domain/placement/refusals.js';
import type { CloudInstance, InstanceType, Provider } from '../../src/domain/provider.js';
import { SEARCH_ATTRIBUTES } from '../../src/domain/search-attributes.js';
import type { StrayDebt } from '../../src/domain/stray-debt.js';
import { createLogger } from '../../src/logging.js';

const CREDENTIAL = 'sim';
const QUICK: WatchTiming = {
  settledIntervalMs: 2,
  alertMs: 0,
  idleAfterMs: 50,
  strayGraceMs: 0,
  rememberMs: 60_000,
  ownersIntervalMs: 60_000,
  stockIntervalMs: 1,
  turnMs: 60_000,
};

export const machineOf = (refId: string, more: Partial<CloudInstance> = {}): CloudInstance => ({
  cloudId: `i-${refId}`,
  refId,
  name: refId,
  status: 'running',
  location: 'us-west-1',
  instanceType: 'gpu_1x_a10',
  instanceTypeId: 'us-west-1-noSub-gpu_1x_a10',
  sshUser: 'ubuntu',
  sshPort: 22,
  createdAt: toIsoTime(0),
  tags: {},
  capabilities: [],
  ...more,
});

export interface WatchedAccountOptions {
  timing?: Partial<WatchTiming>;
  strays?: 'report' | 'terminate';
  /** More of the provider, or other. */
  provider?: Partial<Provider>;
}

/** One account and its watcher without a server: what Temporal and the provider answer is the test's to say. */
export class WatchedAccount {
  machines: CloudInstance[] = [];
  /** By refId: what a describe of its workflow answers. A signal reaches those that run. */
  readonly workflows = new Map<string, 'RUNNING' | 'TERMINATED' | Error>();
  readonly signals: { refId: string; name: string; about: Record<string, unknown> }[] = [];
  readonly warnings: string[] = [];
  /** False: visibility lags, and shows no workflow. */
  isVisible = true;
  /** Thrown by every listing. */
  outage: Error | undefined;
  /** Thrown by every order to end a machine. */
  refusal: ProviderError | undefined;
  /** What its watch workflow keeps, by cloudId. */
  readonly owed = new Map<string, StrayDebt>();
  orders = 0;
  listings = 0;
  describes = 0;
  /** Its catalog, and what its watch workflow knows to be sold out. */
  types: Partial<InstanceType>[] = [];
  refusals: Refusals = {};
  /** Thrown by every look at the catalog. */
  catalogOutage: Error | undefined;
  catalogs = 0;
  private readonly more: Partial<Provider>;
  private readonly activities;
  private last: string | undefined;

  constructor({ timing, strays = 'report', provider: more = {} }: WatchedAccountOptions = {}) {
    this.more = more;
    const warnings = this.warnings;
    const destination = { write: (line: string) => void warnings.push(JSON.parse(line).msg) };
    const logger = createLogger({ level: 'warn', name: 'test', destination });
    const client = this.client();
    const provider = this.provider();
    const listing = new SharedListing(provider);
    this.activities = watchActivities({
      provider: () => provider,
      listing: () => listing,
      watchers: new WatcherRegistry(client, 'test', logger),
      refusals: new RefusalMemory(client, logger),
      client,
      logger,
      leaving: new AbortController().signal,
      strays,
      timing: { ...QUICK, ...timing },
    });
  }

  /** Runs one watch of the account to its end, as its workflow would after the one before. */
  async watch(watchfulness: WatchInput['watchfulness'] = 'alert'): Promise<Watched['next']> {
    const env = new MockActivityEnvironment({ attempt: 1 }, { logger: new DefaultLogger('ERROR') });
    const watchId = `${this.last ?? 'watch'}+`;
    const chain = { watchId, ...(this.last && { after: this.last }) };
    const input = { cloudCredRefId: CREDENTIAL, watchfulness, ...chain, owed: [...this.owed.values()] };
    this.last = watchId;
    const { next } = (await env.run(this.activities.watchAccount, input)) as Watched;
    return next;
  }

  private provider(): Provider {
    return {
      id: 'sim',
      cloudCredRefId: CREDENTIAL,
      limits: { pollIntervalMs: 1, listingLagMs: 0 },
      listInstances: async () => {
        this.listings += 1;
        if (this.outage) throw this.outage;
        return [...this.machines];
      },
      listInstanceTypes: async () => {
        this.catalogs += 1;
        if (this.catalogOutage) throw this.catalogOutage;
        return structuredClone(this.types);
      },
      terminateInstance: async (cloudId: string) => {
        this.orders += 1;
        if (this.refusal) throw this.refusal;
        this.machines = this.machines.filter((one) => one.cloudId !== cloudId);
      },
      ...this.more,
    } as unknown as Provider;
  }

  private client(): Client {
    const watch = {
      signal: async (name: string, about: StrayDebt & { offer: string; entry: Refusal }) => {
        if (name === 'strayOwed') this.owed.set(about.cloudId, about);
        if (name === 'strayGone') this.owed.delete(about.cloudId);
        if (name === 'refused') this.refusals[about.offer] = about.entry;
      },
      query: async () => structuredClone(this.refusals),
    };
    const getHandle = (workflowId: string) => {
      if (workflowId === watchWorkflowId(CREDENTIAL)) return watch;
      const refId = workflowId.slice(instanceWorkflowId('').length);
      const missing = () => new WorkflowNotFoundError('not found', workflowId, undefined);
      return {
        signal: async (name: string, about: Record<string, unknown>) => {
          if (this.workflows.get(refId) !== 'RUNNING') throw missing();
          this.signals.push({ refId, name, about });
        },
        describe: async () => {
          this.describes += 1;
          const known = this.workflows.get(refId);
          if (!known) throw missing();
          if (known instanceof Error) throw known;
          return { status: { name: known } };
        },
      };
    };
    return {
      workflow: { getHandle, list: () => this.visible(), signalWithStart: async () => undefined },
      withDeadline: async (_deadline: number, work: () => Promise<unknown>) => await work(),
    } as unknown as Client;
  }

  private async *visible() {
    for (const [refId, status] of this.workflows)
      if (status === 'RUNNING' && this.isVisible)
        yield { workflowId: instanceWorkflowId(refId), searchAttributes: { [SEARCH_ATTRIBUTES.phase]: ['ready'] } };
  }
}
