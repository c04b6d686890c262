import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { instanceWorkflowId } from '../../src/domain/ids.js';
import type { CommandName, InstanceRequestInput } from '../../src/domain/instance/index.js';
import { historyOf } from '../support/history.js';
import { begin, endAndProve, type Life, type OwnFault } from '../support/lives.js';
import { credentialNamed, offerAt, openSlipway, type TestSlipway } from '../support/slipway.js';

let slipway: TestSlipway;
beforeAll(async () => {
  const without = ['stop-start-instance', 'reboot-instance', 'modify-firewall', 'tags', 'resize-instance-volume'];
  slipway = await openSlipway({
    others: { poor: { without: [...without, 'change-instance-type'] } },
    simcloud: { timing: { startMs: 500 } },
    watchTiming: { settledIntervalMs: 200 },
  });
});
afterAll(async () => await slipway?.close());

const always = (operation: OwnFault['operation'], kind: OwnFault['kind']): OwnFault => {
  return { operation, kind, times: 'always' };
};

/** Phases that last, each really reached. */
const PLACES: Record<string, () => Promise<Life>> = {
  placing: () =>
    begin(slipway, { offers: [offerAt(slipway, 'us-west-1', 'cpu_4x_general')] }, always('create', 'out-of-stock')),
  pending: () => begin(slipway, {}, always('create', 'never-boots')),
  ready: async () => {
    const life = await begin(slipway);
    await life.until('ready');
    return life;
  },
  stopped: async () => {
    const life = await begin(slipway);
    await life.until('ready');
    await slipway.client.stop(life.refId);
    await life.until('stopped');
    return life;
  },
  parked: async () => {
    const life = await begin(slipway, {}, always('create', 'quota'));
    await life.until('parked');
    return life;
  },
  kept: async () => {
    const life = await begin(slipway);
    const { cloudId = '' } = await life.until('ready');
    await slipway.cloud.control.fail(cloudId);
    await life.until('parked');
    return life;
  },
  terminating: async () => {
    const life = await begin(slipway, {}, always('terminate', 'terminate-refused'));
    await life.until('ready');
    await slipway.client.terminate(life.refId);
    await life.until('terminating');
    return life;
  },
  terminated: async () => {
    const life = await begin(slipway);
    await life.until('ready');
    await endAndProve(slipway, life);
    return life;
  },
};

const ASK: Record<CommandName, (life: Life) => Promise<{ result: string }>> = {
  stop: ({ refId }) => slipway.client.stop(refId),
  start: ({ refId }) => slipway.client.start(refId),
  reboot: ({ refId }) => slipway.client.reboot(refId),
  terminate: ({ refId }) => slipway.client.terminate(refId),
  retry: ({ refId }) => slipway.client.retry(refId),
  release: ({ refId }) => slipway.client.release(refId, { reason: 'seen gone' }),
  setFirewallRules: ({ refId }) =>
    slipway.client.setFirewallRules(refId, {
      firewallRules: { ingressRules: [{ fromPort: 80, toPort: 80, ipRanges: [] }] },
    }),
  updateTags: ({ refId }) => slipway.client.updateTags(refId, { tags: { team: 'b' } }),
  changeInstanceType: ({ refId }) => slipway.client.changeInstanceType(refId, { instanceType: 'gpu_1x_h100_pcie' }),
  resizeVolume: ({ refId }) => slipway.client.resizeVolume(refId, { size: { value: 500, unit: 'GiB' } }),
};

/** What is refused where, and with which kind; `already`: it is so. Everything not named here is taken. */
const REFUSED: Record<string, Partial<Record<CommandName, string>>> = {
  placing: {
    stop: 'WrongPhase',
    start: 'already',
    reboot: 'WrongPhase',
    retry: 'WrongPhase',
    release: 'WrongPhase',
    changeInstanceType: 'WrongPhase',
    resizeVolume: 'WrongPhase',
  },
  pending: {
    stop: 'WrongPhase',
    start: 'already',
    reboot: 'WrongPhase',
    retry: 'WrongPhase',
    release: 'WrongPhase',
    changeInstanceType: 'WrongPhase',
    resizeVolume: 'WrongPhase',
  },
  ready: { start: 'already', retry: 'WrongPhase', release: 'WrongPhase', changeInstanceType: 'WrongPhase' },
  stopped: { stop: 'already', reboot: 'WrongPhase', retry: 'WrongPhase', release: 'WrongPhase' },
  parked: {
    stop: 'WrongPhase',
    start: 'WrongPhase',
    reboot: 'WrongPhase',
    release: 'WrongPhase',
    setFirewallRules: 'WrongPhase',
    updateTags: 'WrongPhase',
    changeInstanceType: 'WrongPhase',
    resizeVolume: 'WrongPhase',
  },
  kept: {
    start: 'WrongPhase',
    reboot: 'WrongPhase',
    release: 'WrongPhase',
    setFirewallRules: 'WrongPhase',
    updateTags: 'WrongPhase',
    changeInstanceType: 'WrongPhase',
    resizeVolume: 'WrongPhase',
  },
  terminating: {
    stop: 'WrongPhase',
    start: 'WrongPhase',
    reboot: 'WrongPhase',
    terminate: 'already',
    retry: 'WrongPhase',
    release: 'WrongPhase',
    setFirewallRules: 'WrongPhase',
    updateTags: 'WrongPhase',
    changeInstanceType: 'WrongPhase',
    resizeVolume: 'WrongPhase',
  },
  terminated: {
    stop: 'WrongPhase',
    start: 'WrongPhase',
    reboot: 'WrongPhase',
    terminate: 'already',
    retry: 'WrongPhase',
    release: 'WrongPhase',
    setFirewallRules: 'WrongPhase',
    updateTags: 'WrongPhase',
    changeInstanceType: 'WrongPhase',
    resizeVolume: 'WrongPhase',
  },
};

const COMMAND_NAMES = Object.keys(ASK) as CommandName[];

async function answerTo(name: CommandName, life: Life): Promise<string> {
  try {
    return (await ASK[name](life)).result;
  } catch (error) {
    return (error as { kind?: string }).kind ?? String(error);
  }
}

async function makeWay({ refId }: Life): Promise<void> {
  for (const { id, match } of await slipway.cloud.control.faults()) {
    if (match?.tag?.refId === refId) await slipway.cloud.control.removeFaults(id);
  }
}

describe.concurrent('a command', () => {
  it.each(Object.keys(PLACES))(
    'that does not fit is refused by kind and leaves no trace in the history (%s)',
    async (place) => {
      const life = await (PLACES[place] as () => Promise<Life>)();
      if (place === 'pending') await life.seen('InstanceCreated');
      if (place === 'placing') await life.seen('CapacityAwaited');
      const refused = COMMAND_NAMES.filter((name) => REFUSED[place]?.[name]);
      const seq = (await slipway.client.describe(life.refId)).seq;
      const updates = async () => {
        const history = await historyOf(slipway.temporal, life.refId);
        return history.filter(({ type }) => type.includes('Update'));
      };
      const before = await updates();
      const kinds = refused.filter((name) => REFUSED[place]?.[name] !== 'already');
      const answers = Object.fromEntries(
        await Promise.all(kinds.map(async (name) => [name, await answerTo(name, life)])),
      );
      expect(answers).toEqual(Object.fromEntries(kinds.map((name) => [name, REFUSED[place]?.[name]])));
      expect(await updates()).toEqual(before);
      for (const name of refused.filter((one) => !kinds.includes(one)))
        expect(await answerTo(name, life)).toBe('already');
      expect((await slipway.client.describe(life.refId)).seq, 'and none in its events').toBe(seq);
      await makeWay(life);
      if (place !== 'terminated') await endAndProve(slipway, life);
    },
  );

  const TAKEN = Object.keys(PLACES).flatMap((place) =>
    COMMAND_NAMES.filter((name) => !REFUSED[place]?.[name]).map((name): [CommandName, string] => [name, place]),
  );
  it.each(TAKEN)('that fits is recorded: %s in %s', async (name, place) => {
    const life = await (PLACES[place] as () => Promise<Life>)();
    expect(await answerTo(name, life)).toBe('recorded');
    await makeWay(life);
    await endAndProve(slipway, life);
  });

  it('with the same request id has one effect, however often it is sent', async () => {
    const life = await begin(slipway);
    await life.until('ready');
    const { client } = slipway;
    const input = { requestId: 'reboot-1' };
    const answers = await Promise.all([1, 2, 3].map(() => client.reboot(life.refId, input)));
    expect(answers.map(({ result }) => result)).toEqual(['recorded', 'recorded', 'recorded']);
    await life.seen('RebootAccepted');
    await life.until('ready');
    expect(await client.reboot(life.refId, input)).toMatchObject({ result: 'recorded' });
    await life.until('ready');
    expect((await life.types()).filter((type) => type === 'RebootRequested')).toHaveLength(1);
    await endAndProve(slipway, life);
  });

  it('can be plain JSON from any SDK, without a request id: the update’s own id stands in', async () => {
    const life = await begin(slipway);
    await life.until('ready');
    const handle = slipway.temporal.workflow.getHandle(instanceWorkflowId(life.refId));
    expect(await handle.executeUpdate('stop', { updateId: 'u-1' })).toMatchObject({ result: 'recorded' });
    expect(await life.event('StopRequested')).toMatchObject({ requestId: 'u-1' });
    await life.until('stopped');
    expect(await handle.executeUpdate('start', { args: [{}], updateId: 'u-2' })).toMatchObject({ result: 'recorded' });
    await life.until('ready');
    const nonsense: [CommandName, unknown[]][] = [
      ['stop', [7, 'now', ['now'], { requestId: 7 }, { when: 'now' }]],
      ['setFirewallRules', [undefined, null, 7, { firewallRules: 7 }, { firewallRules: { ingressRules: [{}] } }]],
      ['updateTags', [undefined, null, {}, { tags: { refId: 'x' } }]],
      ['resizeVolume', [undefined, null, {}, { size: { value: -1, unit: 'GiB' } }]],
      ['changeInstanceType', [undefined, {}, { instanceType: 7 }]],
      ['release', [undefined, {}, { reason: 7 }]],
    ];
    for (const [name, inputs] of nonsense) {
      for (const input of inputs) {
        const sent = handle.executeUpdate(name, { args: [input] });
        await expect(sent, `${name} ${JSON.stringify(input)}`).rejects.toMatchObject({
          cause: { type: 'InvalidRequest' },
        });
      }
    }
    await endAndProve(slipway, life);
  });

  it('is still answered after signals that make no sense: they are passed over', async () => {
    const life = await begin(slipway);
    await life.until('ready');
    const handle = slipway.temporal.workflow.getHandle(instanceWorkflowId(life.refId));
    for (const nonsense of [null, undefined, 7, 'gone', {}, { cloudId: 7 }]) {
      await handle.signal('observed', nonsense);
      await handle.signal('stocked', nonsense);
    }
    await handle.signal('unheard-of', 7);
    expect(await slipway.client.stop(life.refId)).toMatchObject({ result: 'recorded' });
    await life.until('stopped');
    await endAndProve(slipway, life);
  });
});

describe.concurrent('a change of a living machine', () => {
  /** Whether somebody answers there. */
  const isOpen = (host: string, port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = createConnection({ host, port, timeout: 1_000 });
      const done = (open: boolean) => {
        socket.destroy();
        resolve(open);
      };
      socket.once('data', () => done(true));
      socket.once('error', () => done(false));
      socket.once('close', () => done(false));
      socket.once('timeout', () => done(false));
    });

  const PORT = 9_999;
  const open = { ingressRules: [{ fromPort: PORT, toPort: PORT, ipRanges: ['127.0.0.0/8'] }] };

  /** The port that is really bound for the machine's service, or its own number while it is closed. */
  async function door(cloudId: string): Promise<number> {
    const { ports } = await slipway.cloud.control.machine(cloudId);
    return ports.find(({ port }) => port === PORT)?.boundPort ?? PORT;
  }

  it('opens and closes its TCP ports as the rules say', async () => {
    const life = await begin(slipway);
    const { cloudId = '', address = '' } = await life.until('ready');
    expect(await isOpen(address, await door(cloudId))).toBe(false);
    await slipway.client.setFirewallRules(life.refId, { firewallRules: open });
    await vi.waitFor(async () => expect(await isOpen(address, await door(cloudId))).toBe(true), { timeout: 10_000 });
    await life.seen('ChangeApplied');
    expect(await slipway.client.describe(life.refId)).toMatchObject({ firewallApplied: true, pendingChanges: [] });
    await slipway.client.setFirewallRules(life.refId, { firewallRules: { ingressRules: [], egressRules: [] } });
    await vi.waitFor(async () => expect(await isOpen(address, await door(cloudId))).toBe(false), { timeout: 10_000 });
    await endAndProve(slipway, life);
  });

  it('that was asked for while it was made or stopped is in force before it is handed over', async () => {
    const life = await begin(slipway, {}, { operation: 'create', kind: 'late-answer', delayMs: 1_000 });
    await life.until('creating');
    await slipway.client.setFirewallRules(life.refId, { firewallRules: open });
    const { cloudId = '', address = '' } = await life.until('ready');
    expect(await isOpen(address, await door(cloudId))).toBe(true);
    await slipway.client.stop(life.refId);
    await life.until('stopped');
    await slipway.client.setFirewallRules(life.refId, { firewallRules: {} });
    await slipway.client.start(life.refId);
    const again = await life.until('ready');
    expect(await isOpen(address, await door(cloudId))).toBe(false);
    expect(again).toMatchObject({ firewallApplied: true, pendingChanges: [] });
    await endAndProve(slipway, life);
  });

  it('reaches the provider: tags, type and disk', async () => {
    const life = await begin(slipway, { diskSize: { value: 200, unit: 'GiB' } });
    const { client, cloud } = slipway;
    const { refId } = life;
    const { cloudId = '' } = await life.until('ready');
    await client.updateTags(refId, { tags: { team: 'b' } });
    await client.resizeVolume(refId, { size: { value: 300, unit: 'GiB' } });
    await expect(client.resizeVolume(refId, { size: { value: 1, unit: 'GiB' } })).rejects.toMatchObject({
      kind: 'InvalidRequest',
    });
    await client.stop(refId);
    await life.until('stopped');
    await client.changeInstanceType(refId, { instanceType: 'gpu_1x_a100_sxm4' });
    await client.start(refId); // at once: the change comes first
    const ready = await life.until('ready');
    expect(ready).toMatchObject({
      tags: { team: 'b' },
      offer: { instanceType: 'gpu_1x_a100_sxm4' },
      pendingChanges: [],
    });
    const machine = await cloud.control.machine(cloudId);
    expect(machine).toMatchObject({
      instanceType: 'gpu_1x_a100_sxm4',
      diskSize: { value: 300, unit: 'GiB' },
      tags: { team: 'b', refId },
    });
    await endAndProve(slipway, life);
  });

  it('that the provider refuses leaves everything as it was, and says why', async () => {
    const life = await begin(slipway);
    await life.until('ready');
    await slipway.client.stop(life.refId);
    await life.until('stopped');
    await slipway.client.changeInstanceType(life.refId, { instanceType: 'gpu_9x_unheard_of' });
    await life.seen('ChangeRefused');
    expect(await slipway.client.describe(life.refId)).toMatchObject({
      phase: 'stopped',
      failure: { kind: 'InvalidRequest' },
      offer: { instanceType: 'gpu_1x_a10' },
      pendingChanges: [],
    });
    await endAndProve(slipway, life);
  });
});

describe.concurrent('where the account cannot do it', () => {
  const poor = (more: Partial<InstanceRequestInput> = {}): Partial<InstanceRequestInput> => ({
    offers: [{ ...offerAt(slipway), cloudCredRefId: credentialNamed(slipway, 'poor') }],
    ...more,
  });

  it('a command is refused as NotSupported before anything is sent', async () => {
    const life = await begin(slipway, poor());
    await life.until('ready');
    for (const name of ['stop', 'reboot', 'setFirewallRules', 'updateTags', 'resizeVolume'] as const) {
      expect(await answerTo(name, life), name).toBe('NotSupported');
    }
    await endAndProve(slipway, life);
  });

  it('rules that nobody can apply are never called applied', async () => {
    const late: OwnFault = { operation: 'create', kind: 'late-answer', delayMs: 1_000 };
    const life = await begin(slipway, poor(), late);
    await life.until('creating');
    await ASK.setFirewallRules(life); // what the machine will be able to do is not known yet
    const parked = await life.until('parked');
    expect(parked.failure?.kind).toBe('NotSupported');
    expect(await life.types()).not.toContain('FirewallApplied');
    expect(await life.live()).toEqual([]);
    await endAndProve(slipway, life);
  });
});
