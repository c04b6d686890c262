import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { InstanceRequestInput, Phase } from '../../src/domain/instance/index.js';
import { openTemporal, openTopology, type ProcessTopology } from '../support/processes.js';
import { userKey } from '../support/slipway.js';

/** Slow enough that each phase can be met, and killed in. */
const SLOWLY = { bootMs: 1_500, sshDelayMs: 1_500 };

/** What makes the phase last, as faults of the provider. */
// The firewall step reads the rules first, and finds those that the create has set.
const HOLD: Partial<Record<Phase, { operation: 'create' | 'get'; kind: 'late-answer'; delayMs: number }>> = {
  creating: { operation: 'create', kind: 'late-answer', delayMs: 1_500 },
  firewalling: { operation: 'get', kind: 'late-answer', delayMs: 1_500 },
};

const PHASES = ['creating', 'pending', 'firewalling', 'connecting'] as const satisfies Phase[];

function request({ cloudCredRefId }: ProcessTopology, phase: Phase): InstanceRequestInput {
  const refId = `${phase}-${randomUUID().slice(0, 8)}`;
  const offers = [{ cloudCredRefId, location: 'us-west-1', instanceType: 'gpu_1x_a10' }];
  return { refId, name: phase, publicKey: userKey.publicKey, offers };
}

async function provisionUntil(topology: ProcessTopology, phase: Phase): Promise<string> {
  const { client, cloud } = topology;
  const asked = request(topology, phase);
  const hold = HOLD[phase];
  if (hold) await cloud.control.addFault({ ...hold, match: { tag: { refId: asked.refId } } });
  await client.provision(asked);
  await client.waitFor(asked.refId, phase, { timeoutMs: 30_000 });
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
