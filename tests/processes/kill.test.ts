import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import type { InstanceRequestInput, Phase } from '../../src/domain/instance/index.js';
import type { NewFault } from '../../src/simcloud/index.js';
import { openTemporal, openTopology, type ProcessTopology } from '../support/processes.js';
import { userKey } from '../support/slipway.js';

const SLOWLY = { bootMs: 500, sshDelayMs: 300 };

/** What makes each phase last long enough to be met on a busy machine, as faults of the provider. */
const HOLD: Record<(typeof PHASES)[number], Omit<NewFault, 'match'>[]> = {
  creating: [{ operation: 'create', kind: 'late-answer', delayMs: 3_000 }],
  pending: [{ operation: 'create', kind: 'slow-boot', delayMs: 4_000 }],
  // A machine that came with its rules would pass this phase in no time.
  firewalling: [
    { operation: 'create', kind: 'loses-rules' },
    { operation: 'get', kind: 'late-answer', delayMs: 3_000 },
  ],
  connecting: [{ operation: 'create', kind: 'ssh-refused', delayMs: 6_000 }],
};

const PHASES = ['creating', 'pending', 'firewalling', 'connecting'] as const satisfies Phase[];

function request({ cloudCredRefId }: ProcessTopology, phase: Phase): InstanceRequestInput {
  const refId = `${phase}-${randomUUID().slice(0, 8)}`;
  const offers = [{ cloudCredRefId, location: 'us-west-1', instanceType: 'gpu_1x_a10' }];
  const firewallRules = { ingressRules: [{ fromPort: 8_080, toPort: 8_080, ipRanges: [] }] };
  return { refId, name: phase, publicKey: userKey.publicKey, offers, firewallRules };
}

async function provisionUntil(topology: ProcessTopology, phase: (typeof PHASES)[number]): Promise<string> {
  const { client, cloud } = topology;
  const asked = request(topology, phase);
  for (const fault of HOLD[phase]) await cloud.control.addFault({ ...fault, match: { tag: { refId: asked.refId } } });
  await client.provision(asked);
  const phaseNow = async () => (await client.describe(asked.refId)).phase;
  await vi.waitFor(async () => expect(await phaseNow()).toBe(phase), { timeout: 40_000, interval: 50 });
  return asked.refId;
}

async function expectOneMachineEach(topology: ProcessTopology, refIds: string[]): Promise<void> {
  const lines = await topology.cloud.control.ledger();
  for (const refId of refIds) expect(lines.filter(({ tags }) => tags.refId === refId)).toHaveLength(1);
  expect(await topology.cloud.control.report()).toMatchObject({ created: refIds.length, doubled: 0 });
}

describe('a worker killed with SIGKILL', () => {
  let topology: ProcessTopology;
  beforeAll(async () => {
    topology = await openTopology({ address: inject('temporalAddress'), simcloud: { timing: SLOWLY } });
  });
  afterAll(async () => await topology?.close());

  it('in any phase of a provision leaves exactly one machine, which becomes ready', async () => {
    const refIds: string[] = [];
    for (const phase of PHASES) {
      const worker = await topology.startWorker();
      const refId = await provisionUntil(topology, phase);
      refIds.push(refId);
      await worker.kill();
    }
    const worker = await topology.startWorker();
    await Promise.all(refIds.map((refId) => topology.client.waitFor(refId, 'ready', { timeoutMs: 60_000 })));
    await expectOneMachineEach(topology, refIds);
    await worker.stop();
  }, 120_000);
});

describe('a Temporal server killed with SIGKILL, its data kept', () => {
  let temporal: Awaited<ReturnType<typeof openTemporal>>;
  let topology: ProcessTopology;
  beforeAll(async () => {
    temporal = await openTemporal(inject('temporalCli'));
    topology = await openTopology({ address: temporal.address, simcloud: { timing: SLOWLY } });
  });
  afterAll(async () => {
    await topology?.close();
    await temporal?.close();
  });

  it('in any phase of a provision leaves exactly one machine, which becomes ready', async () => {
    const worker = await topology.startWorker();
    const refIds: string[] = [];
    for (const phase of PHASES) {
      refIds.push(await provisionUntil(topology, phase));
      await temporal.kill();
      await temporal.restart();
    }
    await Promise.all(refIds.map((refId) => topology.client.waitFor(refId, 'ready', { timeoutMs: 60_000 })));
    await expectOneMachineEach(topology, refIds);
    await worker.stop();
  }, 180_000);
});
