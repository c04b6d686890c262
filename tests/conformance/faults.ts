import type { SshConnection } from '../../src/activities/ssh-probe.js';
import type { SshDoor, Timing } from '../../src/conformance/index.js';
import { REAL_SSH } from '../../src/conformance/scene.js';
import { ProviderError } from '../../src/domain/errors.js';
import type {
  CloudInstance,
  CreateInstanceAttrs,
  CreateOutcome,
  InstanceType,
  Provider,
} from '../../src/domain/provider.js';
import type { FaultKind } from '../../src/simcloud/index.js';
import { API_KEY } from '../adapters/clouds.js';

/** One thing wrong with an adapter that is otherwise good, or with the machines behind it. */
export interface Fault {
  /** What is broken, in words. */
  broken: string;
  /** The adapter, with this instead. */
  adapter?: (good: Provider) => Partial<Provider>;
  /** Every machine behaves so. */
  machines?: FaultKind;
  /** What a command says inside, instead of what it would. */
  inside?: [command: RegExp, result: { exitCode?: number; stdout?: string }];
  /** Other checks that must have run for this one to have anything to see. */
  after?: readonly string[];
  /** Of the machine that is rented, where it matters. */
  type?: string;
  /** A wait that this fault makes in vain. */
  timing?: Partial<Timing>;
}

const types =
  (change: (types: InstanceType[]) => InstanceType[]) =>
  (good: Provider): Partial<Provider> => ({
    listInstanceTypes: async (signal) => change(await good.listInstanceTypes(signal)),
  });

/** The same in what a create answers, in get and in the listing. */
const machines =
  (change: (instance: CloudInstance) => CloudInstance) =>
  (good: Provider): Partial<Provider> => ({
    createInstance: async (attrs, signal) => {
      const outcome = await good.createInstance(attrs, signal);
      return outcome.outcome === 'exists' ? { ...outcome, instance: change(outcome.instance) } : outcome;
    },
    getInstance: async (...args) => change(await good.getInstance(...args)),
    listInstances: async (signal) => (await good.listInstances(signal)).map(change),
  });

const created =
  (change: (outcome: Extract<CreateOutcome, { outcome: 'exists' }>, attrs: CreateInstanceAttrs) => CreateOutcome) =>
  (good: Provider): Partial<Provider> => ({
    createInstance: async (attrs, signal) => {
      const outcome = await good.createInstance(attrs, signal);
      return outcome.outcome === 'exists' ? change(outcome, attrs) : outcome;
    },
  });

const refused =
  (
    change: (
      outcome: Exclude<CreateOutcome, { outcome: 'exists' }>,
      attrs: CreateInstanceAttrs,
      good: Provider,
      signal: AbortSignal,
    ) => CreateOutcome | Promise<CreateOutcome>,
  ) =>
  (good: Provider): Partial<Provider> => ({
    createInstance: async (attrs, signal) => {
      const outcome = await good.createInstance(attrs, signal);
      return outcome.outcome === 'exists' ? outcome : await change(outcome, attrs, good, signal);
    },
  });

const misnamed = (wrong: 'Internal' | 'InvalidRequest') =>
  refused((outcome) => ({ ...outcome, failure: { ...outcome.failure, kind: wrong } }));

const nothing = async (): Promise<void> => undefined;

/** For every check at least one fault that it, and nothing else that is needed for it, must catch. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  locations: { broken: 'lists no location', adapter: () => ({ listLocations: async () => [] }) },
  'types.listed': { broken: 'lists a type twice', adapter: types((all) => [...all, ...all.slice(0, 1)]) },
  'types.stable': {
    broken: 'numbers its ids by the order of the answer',
    adapter: types((all) => all.map((type, index) => ({ ...type, id: `${type.id}-${index + Math.random()}` }))),
  },
  'types.located': {
    broken: 'lists no location of some types',
    adapter: (good) => ({ listLocations: async (signal) => (await good.listLocations(signal)).slice(0, 1) }),
  },
  'types.priced': {
    broken: 'loses the price of GPUs',
    adapter: types((all) => all.map((type) => (type.gpus.length > 0 ? { ...type, pricePerHour: undefined } : type))),
  },
  'types.gpus': {
    broken: 'gives the memory of all GPUs for that of one',
    adapter: types((all) =>
      all.map((type) => ({
        ...type,
        gpus: type.gpus.map((gpu) => ({
          ...gpu,
          ...(gpu.memoryPerGpu && { memoryPerGpu: { ...gpu.memoryPerGpu, value: gpu.memoryPerGpu.value * gpu.count } }),
        })),
      })),
    ),
  },
  'auth.refused': {
    broken: 'takes a refused secret for a bad request',
    adapter: (good) => ({
      listInstances: async (signal) => {
        try {
          return await good.listInstances(signal);
        } catch (error) {
          throw error instanceof ProviderError ? new ProviderError({ ...error.fact, kind: 'InvalidRequest' }) : error;
        }
      },
    }),
  },
  'create.cancelled': {
    broken: 'does not heed the signal',
    adapter: (good) => ({
      createInstance: (attrs) => good.createInstance(attrs, new AbortController().signal),
    }),
  },
  'create.bad-type': {
    broken: 'calls a type that is not sold an error of the provider’s',
    adapter: misnamed('Internal'),
  },
  'create.bad-image': {
    broken: 'makes a machine without the image that is not there',
    adapter: (good) => ({
      createInstance: (attrs, signal) => good.createInstance({ ...attrs, imageId: undefined }, signal),
    }),
  },
  'create.no-stock': { broken: 'calls what is sold out a bad request', adapter: misnamed('InvalidRequest') },
  'create.accepted': {
    broken: 'gives the time of an hour ago',
    adapter: created((outcome) => ({
      ...outcome,
      instance: { ...outcome.instance, createdAt: new Date(Date.now() - 3_600_000).toISOString() },
    })),
  },
  'create.echo': {
    broken: 'forgets whose credential it was',
    adapter: created((outcome) => ({ ...outcome, instance: { ...outcome.instance, cloudCredRefId: undefined } })),
  },
  'create.type-id': {
    broken: 'writes the type’s id otherwise than the list',
    adapter: machines((one) => ({ ...one, instanceTypeId: one.instanceTypeId.replace('-', '_') })),
  },
  'create.repeat': {
    broken: 'does not look for an earlier machine',
    adapter: (good) => ({
      createInstance: async (attrs, signal) => {
        // The good adapter finds none under another name; what it made is then shown under the name asked for.
        const outcome = await good.createInstance(
          { ...attrs, refId: `${attrs.refId}x${Math.floor(Math.random() * 1e6)}` },
          signal,
        );
        return outcome.outcome === 'exists'
          ? { ...outcome, instance: { ...outcome.instance, refId: attrs.refId } }
          : outcome;
      },
      listInstances: async (signal) =>
        (await good.listInstances(signal)).map((one) => ({ ...one, refId: one.refId?.replace(/x\d+$/, '') })),
    }),
  },
  'create.lost-answer': {
    broken: 'takes a lost answer for a refusal',
    adapter: refused((outcome) => ({ ...outcome, outcome: 'refused' })),
  },
  'list.shows': {
    broken: 'lists machines later than it declares',
    adapter: (good) => {
      const since = new Map<string, number>();
      return {
        listInstances: async (signal) => {
          const all = await good.listInstances(signal);
          for (const { cloudId } of all) if (!since.has(cloudId)) since.set(cloudId, Date.now());
          return all.filter(({ cloudId }) => Date.now() - (since.get(cloudId) ?? 0) > 1_500);
        },
      };
    },
  },
  'list.ours': {
    broken: 'lists everybody’s machines',
    adapter: (good) => ({
      listInstances: async (signal) => {
        const all = await good.listInstances(signal);
        return [...all, ...all.slice(0, 1).map((one) => ({ ...one, cloudId: 'i-somebody', refId: undefined }))];
      },
    }),
  },
  'get.agrees': {
    broken: 'lists another SSH port than get shows',
    adapter: (good) => ({
      listInstances: async (signal) => (await good.listInstances(signal)).map((one) => ({ ...one, sshPort: 2_222 })),
    }),
  },
  'get.unknown': {
    broken: 'calls a missing machine a missing resource',
    adapter: (good) => ({
      getInstance: async (...args) => {
        try {
          return await good.getInstance(...args);
        } catch (error) {
          throw error instanceof ProviderError && error.kind === 'InstanceNotFound'
            ? new ProviderError({ ...error.fact, kind: 'ResourceNotFound' })
            : error;
        }
      },
    }),
  },
  'terminate.unknown': {
    broken: 'fails to end what is not there',
    adapter: (good) => ({
      terminateInstance: async (...args) => {
        await good.getInstance(...args);
        await good.terminateInstance(...args);
      },
    }),
  },
  'run.reached': { broken: 'machines that fail while they boot', machines: 'boot-fails' },
  'ssh.login': { timing: { sshMs: 1_500 }, broken: 'machines that let nobody in', machines: 'ssh-refuses-key' },
  'ssh.keys': {
    timing: { sshMs: 3_000 },
    broken: 'sends one key of two',
    adapter: (good) => ({
      createInstance: (attrs, signal) =>
        good.createInstance({ ...attrs, publicKeys: attrs.publicKeys.slice(1) }, signal),
    }),
  },
  'ssh.user-data': {
    timing: { sshMs: 3_000 },
    broken: 'forgets user data',
    adapter: (good) => ({
      createInstance: (attrs, signal) => good.createInstance({ ...attrs, userDataBase64: undefined }, signal),
    }),
  },
  'ssh.image': {
    broken: 'an image that is Debian',
    inside: [/os-release/, { stdout: 'PRETTY_NAME="Debian 12 for Ubuntu 22.04"' }],
  },
  'ssh.gpus': {
    broken: 'sells an H100 and delivers an A10',
    adapter: types((all) => all.map((type) => ({ ...type, gpus: type.gpus.map((gpu) => ({ ...gpu, name: 'H100' })) }))),
  },
  'firewall.shut': {
    timing: { firewallMs: 500 },
    broken: 'machines whose every port is open',
    machines: 'firewall-leaks',
  },
  'firewall.http': {
    timing: { firewallMs: 500 },
    broken: 'opens port 80 by itself',
    adapter: (good) => ({
      createInstance: (attrs, signal) =>
        good.createInstance(
          {
            ...attrs,
            firewallRules: {
              ...attrs.firewallRules,
              ingressRules: [...attrs.firewallRules.ingressRules, { fromPort: 80, toPort: 80, ipRanges: [] }],
            },
          },
          signal,
        ),
    }),
  },
  'firewall.open': {
    timing: { firewallMs: 500 },
    broken: 'machines whose every port but SSH is shut',
    machines: 'firewall-shut',
  },
  'firewall.change': {
    timing: { firewallMs: 500 },
    broken: 'accepts a change of rules and makes none',
    adapter: () => ({ setFirewallRules: nothing }),
  },
  'docker.shut': { broken: 'machines where published ports pass the firewall by', machines: 'firewall-leaks' },
  'docker.egress': {
    broken: 'containers that reach nobody',
    inside: [
      /docker run .*ping/,
      { exitCode: 1, stdout: '3 packets transmitted, 0 packets received, 100% packet loss' },
    ],
  },
  'docker.network': {
    broken: 'containers that do not reach each other',
    inside: [/docker run .*wget/, { exitCode: 1, stdout: '' }],
  },
  'k8s.egress': {
    broken: 'pods that lose a packet',
    inside: [
      /kubectl run .*ping/,
      { exitCode: 0, stdout: '3 packets transmitted, 2 packets received, 33% packet loss' },
    ],
  },
  'k8s.network': { broken: 'pods that do not reach each other', inside: [/kubectl wait/, { exitCode: 1, stdout: '' }] },
  'capabilities.honest': {
    broken: 'declares no reboot, and reboots',
    adapter: (good) => ({
      capabilities: good.capabilities.filter((one) => one !== 'reboot-instance'),
      ...without(good, 'reboot-instance'),
    }),
  },
  'tags.kept': {
    broken: 'forgets the attempt when tags are replaced',
    adapter: (good) => {
      let isForgotten = false;
      return {
        updateTags: async (...args) => {
          isForgotten = true;
          await good.updateTags(...args);
        },
        getInstance: async (...args) => {
          const one = await good.getInstance(...args);
          return isForgotten ? { ...one, attemptKey: undefined } : one;
        },
      };
    },
  },
  'type.change': { broken: 'accepts another type and keeps the old', adapter: () => ({ changeInstanceType: nothing }) },
  'volume.grows': {
    timing: { resizedMs: 1_500 },
    broken: 'accepts a greater disk and makes none',
    adapter: () => ({ resizeVolume: nothing }),
  },
  'reboot.back': {
    timing: { rebootedMs: 1_500 },
    broken: 'accepts a reboot and does nothing',
    adapter: () => ({ rebootInstance: nothing }),
  },
  'stop.waits': {
    timing: { stoppedMs: 1_500 },
    broken: 'accepts a stop and does nothing',
    adapter: () => ({ stopInstance: nothing }),
  },
  'start.waits': {
    timing: { startedMs: 1_500, runningMs: 5_000 },
    broken: 'accepts a start and does nothing',
    adapter: () => ({ startInstance: nothing }),
  },
  'identity.kept': {
    broken: 'renames a machine after a while',
    adapter: (good) => ({
      getInstance: async (...args) => ({ ...(await good.getInstance(...args)), location: 'elsewhere' }),
    }),
  },
  'terminate.accepted': {
    broken: 'refuses the second end',
    adapter: (good) => {
      const asked = new Map<string, number>();
      return {
        terminateInstance: async (cloudId, ...args) => {
          asked.set(cloudId, (asked.get(cloudId) ?? 0) + 1);
          if (asked.get(cloudId) === 2) throw new ProviderError({ kind: 'InvalidRequest', message: 'is terminating' });
          await good.terminateInstance(cloudId, ...args);
        },
      };
    },
  },
  'terminate.gone': {
    timing: { goneMs: 2_000 },
    broken: 'ends no machine the first three times',
    adapter: (good) => {
      let asked = 0;
      return {
        terminateInstance: async (...args) => {
          asked += 1;
          if (asked > 3) await good.terminateInstance(...args);
        },
      };
    },
  },
  'terminate.twice': {
    broken: 'fails to end what is gone',
    adapter: (good) => ({
      terminateInstance: async (...args) => {
        const { status } = await good.getInstance(...args);
        if (status === 'terminated') throw new ProviderError({ kind: 'InvalidRequest', message: 'is terminated' });
        await good.terminateInstance(...args);
      },
    }),
  },
  'end.nothing-left': {
    timing: { sideResourcesMs: 500 },
    broken: 'leaves the key of its machine behind',
    adapter: (good) => {
      const names: string[] = [];
      return {
        createInstance: async (attrs, signal) => {
          names.push(attrs.refId);
          return await good.createInstance(attrs, signal);
        },
        listSideResources: async () => names.map((refId) => ({ kind: 'ssh-key', name: `key-of-${refId}`, refId })),
      };
    },
  },
  'limits.kept': {
    after: ['list.ours', 'terminate.gone'],
    broken: 'declares no limit where there is one',
    adapter: (good) => {
      let calls = 0;
      return {
        listInstances: async (signal) => {
          calls += 1;
          if (calls % 3 === 0) throw new ProviderError({ kind: 'RateLimited', message: 'slow down', retryAfterMs: 10 });
          return await good.listInstances(signal);
        },
      };
    },
  },
  'secrets.hidden': {
    after: ['create.bad-type'],
    broken: 'quotes its key in an error',
    adapter: refused((outcome) => ({
      ...outcome,
      failure: { ...outcome.failure, message: `${outcome.failure.message}: ${API_KEY}` },
    })),
  },
};

/** Its types and machines do not claim it, either. */
function without(good: Provider, lacking: string): Partial<Provider> {
  const cut = <T extends { capabilities: readonly string[] }>(one: T): T => ({
    ...one,
    capabilities: one.capabilities.filter((name) => name !== lacking),
  });
  return {
    listInstanceTypes: async (signal) => (await good.listInstanceTypes(signal)).map(cut),
    getInstance: async (...args) => cut(await good.getInstance(...args)),
    listInstances: async (signal) => (await good.listInstances(signal)).map(cut),
  };
}

/** The good provider, with some of its members replaced. */
export function broken(good: Provider, change: Partial<Provider>): Provider {
  return new Proxy(good, {
    get: (target, name) => {
      const source = Object.hasOwn(change, name) ? change : target;
      const value: unknown = Reflect.get(source, name, source);
      return typeof value === 'function' ? value.bind(source) : value;
    },
  });
}

/** SSH as it is, but for what some commands say. */
export function brokenSsh([pattern, result]: NonNullable<Fault['inside']>): SshDoor {
  return {
    ...REAL_SSH,
    open: async (...args) => {
      const connection = await REAL_SSH.open(...args);
      const run: SshConnection['run'] = async (command, bounds) =>
        pattern.test(command)
          ? { exitCode: 0, stdout: '', stderr: '', ...result }
          : await connection.run(command, bounds);
      return { ...connection, run };
    },
  };
}
