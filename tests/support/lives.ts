import { expect, vi } from 'vitest';
import type { InstanceEvent, InstanceRequestInput, InstanceView, Phase } from '../../src/domain/instance/index.js';
import type { LedgerLine, NewFault } from '../../src/simcloud/index.js';
import { requestFor, type TestSlipway, watcherOf, workerKey } from './slipway.js';

/** A fault without its match: it strikes this instance only, so that tests may share a cloud and run side by side. */
export type OwnFault = NewFault & { match?: NewFault['match'] };

/** One instance under test: what was asked, what happens to it, and what the cloud really holds of it. */
export interface Life {
  refId: string;
  request: InstanceRequestInput;
  /** Waits for the phase; 30 s unless told. */
  until(phases: Phase | Phase[], timeoutMs?: number): Promise<InstanceView>;
  events(): Promise<InstanceEvent[]>;
  types(): Promise<InstanceEvent['type'][]>;
  /** The newest event of one type. */
  event<T extends InstanceEvent['type']>(type: T): Promise<Extract<InstanceEvent, { type: T }>>;
  /** Resolves once there is an event of the type. */
  seen(type: InstanceEvent['type'], timeoutMs?: number): Promise<void>;
  fault(fault: OwnFault): Promise<string>;
  /** Every machine that ever carried its refId, by the cloud's own ledger. */
  machines(): Promise<LedgerLine[]>;
  /** Those that live. */
  live(): Promise<LedgerLine[]>;
}

export function lifeOf(slipway: TestSlipway, request: InstanceRequestInput): Life {
  const { client, cloud } = slipway;
  const { refId } = request;
  const events = async () => (await client.events(refId)).events;
  const types = async () => (await events()).map(({ type }) => type);
  const machinesOf = async () => (await cloud.control.ledger()).filter(({ tags }) => tags.refId === refId);
  return {
    refId,
    request,
    until: async (phases, timeoutMs = 30_000) => {
      try {
        return await client.waitFor(refId, phases, { timeoutMs });
      } catch (error) {
        const story = (await events()).map(({ seq, at, type }) => `${seq}. ${at} ${type}`);
        const machines = (await machinesOf()).map(({ id, history }) => `${id} ${JSON.stringify(history)}`);
        throw new Error(`${(error as Error).message}\n${[...story, ...machines].join('\n')}`);
      }
    },
    events,
    types,
    event: async <T extends InstanceEvent['type']>(type: T) => {
      const found = (await events()).filter((one): one is Extract<InstanceEvent, { type: T }> => one.type === type);
      const newest = found.at(-1);
      if (!newest) throw new Error(`${refId} has no ${type}: ${(await types()).join(' ')}`);
      return newest;
    },
    seen: async (type, timeoutMs = 30_000) => {
      await vi.waitFor(async () => expect(await types()).toContain(type), { timeout: timeoutMs, interval: 50 });
    },
    fault: async ({ match, ...fault }) => {
      const tag = { refId, ...match?.tag };
      return (await cloud.control.addFault({ ...fault, match: { ...match, tag } })).id;
    },
    machines: machinesOf,
    live: async () => (await machinesOf()).filter(({ isLive }) => isLive),
  };
}

/** Asks for an instance, with its faults in place before. */
export async function begin(
  slipway: TestSlipway,
  more: Partial<InstanceRequestInput> = {},
  ...faults: OwnFault[]
): Promise<Life> {
  const life = lifeOf(slipway, requestFor(slipway, more));
  for (const fault of faults) await life.fault(fault);
  await slipway.client.provision(life.request);
  return life;
}

/** Ends it, and holds the cloud's ledger against the record: gone, and nothing of it lives. */
export async function endAndProve(slipway: TestSlipway, life: Life): Promise<InstanceView> {
  await slipway.client.terminate(life.refId);
  return await proveGone(life);
}

export async function proveGone(life: Life): Promise<InstanceView> {
  const over = await life.until('terminated');
  expect(over).toMatchObject({ phase: 'terminated', lifecycleStatus: 'terminated', cleanupDebt: [] });
  expect(over.terminated).toBeDefined();
  expect(await life.live()).toEqual([]);
  return over;
}

/** Resolves once the watch of an empty account waits for its next sweep. */
export async function untilAsleep(slipway: TestSlipway): Promise<void> {
  await vi.waitFor(async () => {
    const { events } = await watcherOf(slipway).fetchHistory();
    const isAsleep = events?.some(({ timerStartedEventAttributes }) => timerStartedEventAttributes);
    expect(isAsleep, 'it waits for the next sweep').toBe(true);
  }, 20_000);
}

/** What simcloud's own API makes of a request that Slipway never sent. */
export async function createByHand({ cloud }: TestSlipway, tags: Record<string, string>): Promise<string> {
  const place = { location: 'us-west-1', instanceType: 'gpu_1x_a10' };
  const response = await fetch(`${cloud.url}/sim/v1/instances`, {
    method: 'POST',
    headers: { authorization: 'Bearer sim-key', 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'hand', ...place, publicKeys: [workerKey.publicKey], tags }),
  });
  const { instance } = (await response.json()) as { instance: { id: string } };
  return instance.id;
}
