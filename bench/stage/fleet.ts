import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import PQueue from 'p-queue';
import { INSTANCE_WORKFLOW_PREFIX } from '../../src/domain/ids.js';
import type { InstanceRequestInput } from '../../src/domain/instance/index.js';
import { SEARCH_ATTRIBUTES } from '../../src/domain/search-attributes.js';
import type { LedgerLine } from '../../src/simcloud/index.js';
import type { Slipway, Stage } from './stage.js';
import { until } from './wait.js';

/** Instances that were asked for together. Times are epoch ms; all processes read the same clock. */
export interface Batch {
  prefix: string;
  refIds: string[];
  /** Just before the first request was sent. */
  startedAt: number;
}

/** How requests come in: as fast as they are taken, or evenly. */
export type Arrival = { atOnce: true } | { perSecond: number };

/** Requests at once: enough to keep any server busy, few enough not to be the load. */
const CALLERS = 50;
const READERS = 20;
/** Between two counts: what was done when is read afterwards, from the instances themselves. */
export const LOOK_MS = 1_000;
/** One credential serves the fleet; locations and types have no stock limit in the default catalog. */
const OFFER = { location: 'us-west-1', instanceType: 'gpu_1x_a10' };

/** Asks for instances, and learns when they were ready without loading what it measures: one count for all. */
export class Fleet {
  constructor(
    private readonly stage: Stage,
    private readonly slipway: Slipway,
    /** Changes every request of this fleet. */
    private readonly request: Partial<InstanceRequestInput> = {},
  ) {}

  async provision(count: number, arrival: Arrival = { atOnce: true }): Promise<Batch> {
    const prefix = `b${randomUUID().slice(0, 8)}`;
    const refIds = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
    const queue = new PQueue({ concurrency: CALLERS });
    const asked: Promise<unknown>[] = [];
    const startedAt = Date.now();
    for (const [index, refId] of refIds.entries()) {
      if ('perSecond' in arrival)
        await sleep(Math.max(0, startedAt + (index * 1_000) / arrival.perSecond - Date.now()));
      asked.push(queue.add(() => this.slipway.client.provision(this.requestFor(refId))));
      asked.at(-1)?.catch(() => undefined); // it is thrown below, once all have been sent
    }
    await Promise.all(asked);
    return { prefix, refIds, startedAt };
  }

  /** @throws {Error} when one of them was parked: then there is nothing to measure. */
  async allReady({ prefix, refIds }: Batch, withinMs?: number): Promise<void> {
    const { phase } = SEARCH_ATTRIBUTES;
    let looks = 0;
    const these = `WorkflowId STARTS_WITH "${INSTANCE_WORKFLOW_PREFIX}${prefix}-"`;
    await until(
      `${refIds.length} instances to be ready`,
      async () => {
        this.slipway.mustLive();
        const ready = await this.count(`${these} AND ${phase} = "ready"`);
        if (ready === refIds.length) return true;
        // Looked for now and then: each count is work for the server that is measured.
        looks += 1;
        if (looks % 10 > 0) return false;
        if ((await this.count(`${these} AND ${phase} = "parked"`)) > 0) throw new Error(await this.whyParked(prefix));
        return false;
      },
      { withinMs, everyMs: LOOK_MS },
    );
  }

  /** When each became ready, as its own facts say. */
  async readyAt({ refIds }: Batch): Promise<number[]> {
    return await each(refIds, async (refId) => {
      const { events } = await this.slipway.client.events(refId);
      const ready = events.find(({ type }) => type === 'InstanceReady');
      if (!ready) throw new Error(`${refId} was counted as ready, and has no InstanceReady`);
      return Date.parse(ready.at);
    });
  }

  /** By refId: what the cloud itself says of their machines. */
  async machines(refIdTag = 'refId'): Promise<Map<string, LedgerLine>> {
    const ledger = await this.slipway.cloud.control.ledger();
    return new Map(ledger.map((line) => [line.tags[refIdTag] ?? '', line]));
  }

  /** Ends them, and waits until nothing of them is left: what comes next is measured on an empty account. */
  async end({ prefix, refIds }: Batch): Promise<void> {
    await each(refIds, (refId) => this.slipway.client.terminate(refId, {}));
    const open = `WorkflowId STARTS_WITH "${INSTANCE_WORKFLOW_PREFIX}${prefix}-" AND ExecutionStatus = "Running"`;
    await until(`${refIds.length} instances to end`, async () => {
      this.slipway.mustLive();
      return (await this.count(open)) === 0;
    });
  }

  requestFor(refId: string): InstanceRequestInput {
    return {
      refId,
      name: refId,
      publicKey: `${this.stage.userKey} ann@bench`,
      offers: [{ cloudCredRefId: this.slipway.cloudCredRefId, ...OFFER }],
      tags: { team: 'bench' },
      firewallRules: { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: ['127.0.0.0/8'] }] },
      ...this.request,
    };
  }

  private async count(query: string): Promise<number> {
    return (await this.stage.temporal.workflow.count(query)).count;
  }

  private async whyParked(prefix: string): Promise<string> {
    const parked = await this.slipway.client.list({ phase: 'parked' });
    const one = parked.find(({ refId }) => refId.startsWith(prefix));
    const view = one && (await this.slipway.client.describe(one.refId));
    return `an instance was parked: ${view?.failure?.kind}: ${view?.failure?.message}`;
  }
}

/** Does it for each, some at a time; answers in their order. */
export async function each<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const queue = new PQueue({ concurrency: READERS });
  return await queue.addAll(items.map((item) => () => work(item)));
}
