import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { instanceWorkflowId } from '../../src/domain/ids.js';
import type { Phase } from '../../src/domain/instance/index.js';
import { begin, endAndProve, type Life, type OwnFault, proveGone } from '../support/lives.js';
import { offerAt, openSlipway, type TestSlipway } from '../support/slipway.js';

let slipway: TestSlipway;
beforeAll(async () => {
  slipway = await openSlipway({ watchTiming: { settledIntervalMs: 300, strayGraceMs: 500 } });
});
afterAll(async () => await slipway?.close());

const always = (operation: OwnFault['operation'], kind: OwnFault['kind']): OwnFault => {
  return { operation, kind, times: 'always' };
};

/** How to get there: what spoils the way, and the commands that follow `ready`. */
interface Moment {
  phase: Phase;
  faults?: OwnFault[];
  instanceType?: string;
  after?: (life: Life) => Promise<unknown>;
}

const toStopped = async (life: Life) => {
  await slipway.client.stop(life.refId);
  await life.until('stopped');
};

const MOMENTS: Record<string, Moment> = {
  'while it waits for capacity': {
    phase: 'placing',
    faults: [always('create', 'out-of-stock')],
    instanceType: 'cpu_4x_general', // sold out is remembered for all requests of the account
  },
  'while the create is on its way': {
    phase: 'creating',
    faults: [{ operation: 'create', kind: 'late-answer', delayMs: 1_500 }],
  },
  'while what a lost create made is looked for': {
    phase: 'creating',
    faults: [{ operation: 'create', kind: 'drop-answer-after-work' }, always('list', 'error-503')],
  },
  'while it boots': { phase: 'pending', faults: [always('create', 'never-boots')] },
  'while its firewall is being applied': {
    phase: 'firewalling',
    faults: [
      { operation: 'create', kind: 'loses-rules' },
      { operation: 'get', kind: 'late-answer', delayMs: 1_500 },
    ],
  },
  'while the provider does not answer for its firewall': {
    phase: 'firewalling',
    faults: [{ operation: 'create', kind: 'loses-rules' }, always('get', 'error-503')],
  },
  'while SSH stays silent': { phase: 'connecting', faults: [always('create', 'ssh-silent')] },
  'when it is ready': { phase: 'ready' },
  'while it is being stopped': {
    phase: 'stopping',
    faults: [{ operation: 'stop', kind: 'late-answer', delayMs: 1_500 }],
    after: ({ refId }) => slipway.client.stop(refId),
  },
  'while the provider does not answer the stop': {
    phase: 'stopping',
    faults: [always('stop', 'error-503')],
    after: ({ refId }) => slipway.client.stop(refId),
  },
  'when it is stopped': { phase: 'stopped', after: toStopped },
  'while the provider does not answer the start': {
    phase: 'starting',
    faults: [always('start', 'error-503')],
    after: async (life) => {
      await toStopped(life);
      await slipway.client.start(life.refId);
    },
  },
  'while the provider does not answer the reboot': {
    phase: 'rebooting',
    faults: [always('reboot', 'error-503')],
    after: ({ refId }) => slipway.client.reboot(refId),
  },
  'while the provider does not answer a change of tags': {
    phase: 'ready',
    faults: [always('tags', 'error-503')],
    after: ({ refId }) => slipway.client.updateTags(refId, { tags: { team: 'b' } }),
  },
  'when it is parked without a machine': { phase: 'parked', faults: [always('create', 'quota')] },
  'when it is parked with its machine': {
    phase: 'parked',
    after: async (life) => {
      const { cloudId = '' } = await slipway.client.describe(life.refId);
      await slipway.cloud.control.fail(cloudId);
    },
  },
  'while a failed machine is being discarded': {
    phase: 'discarding',
    faults: [always('create', 'boot-fails'), { operation: 'terminate', kind: 'terminate-refused', times: 2 }],
  },
};

async function reach({ phase, faults = [], instanceType, after }: Moment): Promise<Life> {
  const firewallRules = { ingressRules: [{ fromPort: 8_080, toPort: 8_080, ipRanges: [] }] };
  const request = { offers: [offerAt(slipway, 'us-west-1', instanceType)], firewallRules };
  const life = await begin(slipway, request, ...faults);
  if (after) {
    await life.until('ready');
    await after(life);
  }
  await life.until(phase);
  return life;
}

async function clearFaults({ refId }: Life): Promise<void> {
  for (const { id, match, operation } of await slipway.cloud.control.faults()) {
    if (match?.tag?.refId === refId && operation !== 'stop') await slipway.cloud.control.removeFaults(id);
  }
}

describe.concurrent('terminate', () => {
  it.each(Object.entries(MOMENTS))('ends it for good, %s', async (_when, moment) => {
    const life = await reach(moment);
    await slipway.client.terminate(life.refId);
    if (moment.phase === 'creating' || moment.faults?.some(({ operation }) => operation === 'get')) {
      await clearFaults(life); // to prove absence the provider must answer
    }
    const over = await proveGone(life);
    expect(over.desired).toBe('terminated');
    expect(await life.event('TerminateRequested')).toBeDefined();
    expect((await life.machines()).length).toBeLessThanOrEqual(1);
  });

  it.each([
    ['waits for capacity', MOMENTS['while it waits for capacity']],
    ['boots', MOMENTS['while it boots']],
    ['is ready', MOMENTS['when it is ready']],
    ['is parked', MOMENTS['when it is parked without a machine']],
  ] as const)('is what `temporal workflow cancel` means, while it %s', async (_when, moment = { phase: 'ready' }) => {
    const life = await reach(moment);
    await slipway.temporal.workflow.getHandle(instanceWorkflowId(life.refId)).cancel();
    const over = await proveGone(life);
    expect(over.lastCommand).toMatchObject({ type: 'TerminateRequested', actor: 'temporal workflow cancel' });
    const { status } = await slipway.temporal.workflow.getHandle(instanceWorkflowId(life.refId)).describe();
    expect(status.name, 'an instance that ended well is not a cancelled workflow').toBe('COMPLETED');
  });

  it('by cancel ends a machine that arrives late as well', async () => {
    const hourMs = 3_600_000; // the cloud's, and moved by this test
    const late: OwnFault = { operation: 'create', kind: 'late-work', delayMs: hourMs };
    const slow: OwnFault = { operation: 'terminate', kind: 'slow-terminate', delayMs: 2 * hourMs, times: 1 };
    const life = await begin(slipway, {}, late, slow);
    await life.until('ready');
    await slipway.temporal.workflow.getHandle(instanceWorkflowId(life.refId)).cancel();
    const isEnding = async () => expect((await life.machines()).at(0)?.history.at(-1)?.status).toBe('terminating');
    await vi.waitFor(isEnding, { timeout: 20_000 });
    await slipway.cloud.control.advance(hourMs);
    await life.seen('StrayFound');
    expect((await slipway.client.describe(life.refId)).desired).toBe('terminated');
    await life.seen('StrayEnded');
    await slipway.cloud.control.advance(2 * hourMs);
    await proveGone(life);
    expect(await life.machines()).toHaveLength(2);
  });

  it('twice at once, beside other commands, has one effect and leaves nothing', async () => {
    const life = await begin(slipway);
    await life.until('ready');
    const { client } = slipway;
    const { refId } = life;
    const commands = [client.stop(refId), client.terminate(refId), client.reboot(refId), client.terminate(refId)];
    await Promise.allSettled(commands);
    await proveGone(life);
    const asked = (await life.types()).filter((type) => type === 'TerminateRequested');
    expect(asked).toHaveLength(1);
  });

  it('of many at once leaves nothing', async () => {
    const lives = await Promise.all(Array.from({ length: 10 }, () => begin(slipway)));
    await Promise.all(lives.map((life) => endAndProve(slipway, life)));
    await vi.waitFor(
      async () => {
        const rows = await slipway.client.list();
        expect(rows.filter(({ refId }) => lives.some((life) => life.refId === refId))).toEqual([]);
      },
      { timeout: 20_000 },
    );
  });
});
