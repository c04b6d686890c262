import { NO_RULES } from '../../domain/firewall.js';
import { toMicros } from '../../domain/money.js';
import type { Capability, CloudInstance, CreateInstanceAttrs, Provider } from '../../domain/provider.js';
import { type Check, mustAllBe, mustBe, NotApplicable, NotConforming } from '../check.js';
import type { Scene } from '../scene.js';
import { until } from '../waiting.js';
import { run } from './machine.js';
import { mustThrow } from './refusals.js';

const KEPT = ['refId', 'cloudCredRefId', 'attemptKey', 'name', 'location', 'subLocation'] as const;

type Verb = (provider: Provider, on: CloudInstance, signal: AbortSignal) => Promise<void>;

/** What each capability lets a caller do with a machine. */
const VERBS: Partial<Record<Capability, Verb>> = {
  'stop-start-instance': (provider, { cloudId, location }, signal) => provider.stopInstance(cloudId, location, signal),
  'reboot-instance': (provider, { cloudId, location }, signal) => provider.rebootInstance(cloudId, location, signal),
  'modify-firewall': (provider, { cloudId, location }, signal) =>
    provider.setFirewallRules(cloudId, location, NO_RULES, signal),
  tags: (provider, { cloudId, location }, signal) => provider.updateTags(cloudId, location, { a: 'b' }, signal),
  'change-instance-type': (provider, { cloudId, location, instanceType }, signal) =>
    provider.changeInstanceType(cloudId, location, instanceType, signal),
  'resize-instance-volume': (provider, { cloudId, location }, signal) =>
    provider.resizeVolume(cloudId, location, { value: 200, unit: 'GB' }, signal),
};

/** What a create may ask for only where it is declared. */
const FIELDS: Partial<Record<Capability, Partial<CreateInstanceAttrs>>> = {
  'instance-userdata': { userDataBase64: Buffer.from('#!/bin/sh\ntrue\n').toString('base64') },
  'machine-image': { imageId: 'slipway-no-such-image' },
};

export const CHANGES: readonly Check[] = [
  {
    id: 'capabilities.honest',
    title: 'provider, type and machine agree on what can be done; what is not declared is NotSupported',
    run: async (scene) => {
      const { provider, signal } = scene;
      const [machine, offer] = [await scene.running(), await scene.offer()];
      const beyond = (some: readonly Capability[], all: readonly Capability[]) =>
        some.filter((one) => !all.includes(one));
      const ofType = beyond(offer.capabilities, provider.capabilities);
      const ofMachine = beyond(machine.capabilities, offer.capabilities);
      mustAllBe(
        ...(['create-instance', 'terminate-instance'] as const).map((one): [boolean, string] => [
          scene.can(one),
          `${one} is not declared`,
        ]),
        [ofType.length === 0, `the type says ${ofType.join(', ')}, the provider does not`],
        [ofMachine.length === 0, `the machine says ${ofMachine.join(', ')}, its type does not`],
      );
      const lacking = (Object.keys(VERBS) as Capability[]).filter((one) => !scene.can(one));
      for (const capability of lacking) {
        const call = async () => VERBS[capability]?.(provider, machine, signal);
        await mustThrow(call, ['NotSupported'], `${capability}, which is not declared,`);
      }
      for (const [capability, change] of Object.entries(FIELDS) as [Capability, Partial<CreateInstanceAttrs>][]) {
        if (!scene.can(capability)) await mustRefuseField(scene, capability, change);
      }
      return `declared: ${provider.capabilities.join(', ')}`;
    },
  },
  {
    id: 'tags.kept',
    title: 'tags are replaced as a whole, and our identity stays',
    can: 'tags',
    run: async (scene) => {
      const { provider, signal } = scene;
      const before = await scene.running();
      const { cloudId, location } = before;
      const tags = { round: 'two' };
      await provider.updateTags(cloudId, location, tags, signal);
      return await until(
        'the new tags, and our identity',
        provider.limits.pollIntervalMs,
        { signal, withinMs: provider.limits.listingLagMs + 30_000 },
        async () => {
          const after = await provider.getInstance(cloudId, location, signal);
          mustKeep(before, after);
          return JSON.stringify(after.tags) === JSON.stringify(tags) ? JSON.stringify(after.tags) : undefined;
        },
      );
    },
  },
  {
    id: 'type.change',
    title: 'a stopped machine becomes another type, under that type’s id; an unknown type is InvalidRequest',
    can: 'change-instance-type',
    run: async (scene) => {
      const { provider, signal } = scene;
      const offer = await scene.offer();
      const other = (await scene.types())
        .filter(({ location, isAvailable, id }) => location === offer.location && isAvailable && id !== offer.id)
        .filter(({ architecture }) => architecture === offer.architecture)
        .filter(
          ({ pricePerHour }) =>
            pricePerHour && offer.pricePerHour && toMicros(pricePerHour) <= 2 * toMicros(offer.pricePerHour),
        )
        .sort(
          (a, b) =>
            familyDistance(a.instanceType, offer.instanceType) - familyDistance(b.instanceType, offer.instanceType),
        )[0];
      if (!other) throw new NotApplicable('no other type in stock there for at most twice the price');
      const { cloudId, location } = await scene.stopped();
      const change = (type: string) => provider.changeInstanceType(cloudId, location, type, signal);
      await mustThrow(
        () => change(`${offer.instanceType}-none`),
        ['InvalidRequest'],
        'a change to a type that is not sold',
      );
      await change(other.instanceType);
      try {
        const { instanceType, instanceTypeId } = await provider.getInstance(cloudId, location, signal);
        mustAllBe(
          [instanceType === other.instanceType, `it is still ${instanceType}, and should be ${other.instanceType}`],
          [instanceTypeId === other.id, `its type’s id is ${instanceTypeId}, in the list ${other.id}`],
        );
      } finally {
        await change(offer.instanceType);
      }
      return `${offer.instanceType} → ${other.instanceType}, and back`;
    },
  },
  {
    id: 'volume.grows',
    title: 'the disk takes a greater size, and is greater inside the machine',
    can: 'resize-instance-volume',
    run: async (scene) => {
      const { provider, signal, timing } = scene;
      const { cloudId, location } = await scene.running();
      const before = await diskBytes(scene);
      await provider.resizeVolume(cloudId, location, { value: 120, unit: 'GB' }, signal);
      const after = await until(
        'a greater disk inside the machine',
        provider.limits.pollIntervalMs,
        { signal, withinMs: timing.resizedMs },
        async () => {
          const now = await diskBytes(scene);
          return now > before ? now : undefined;
        },
        () => `still ${inGb(before)} GB`,
      );
      return `from ${inGb(before)} to ${inGb(after)} GB, seen from inside`;
    },
  },
  {
    id: 'identity.kept',
    title: 'after all of this the machine has the identity, name and place that it was made with',
    run: async (scene) => {
      const { asked, instance } = await scene.machine();
      const { provider, signal } = scene;
      const now = await provider.getInstance(instance.cloudId, instance.location, signal);
      mustKeep({ ...instance, ...asked, name: instance.name }, now);
      const listed = (await provider.listInstances(signal)).find(({ cloudId }) => cloudId === instance.cloudId);
      mustBe(listed !== undefined, 'the listing does not show it any more');
      if (listed) mustKeep(now, listed);
      return KEPT.join(', ');
    },
  },
];

async function mustRefuseField(
  scene: Scene,
  capability: Capability,
  change: Partial<CreateInstanceAttrs>,
): Promise<void> {
  const outcome = await scene.provider.createInstance(await scene.attrs(scene.refIds.next(), change), scene.signal);
  if (outcome.outcome === 'exists') {
    throw new NotConforming(`a create with ${Object.keys(change).join()} was taken, and ${capability} is not declared`);
  }
  const { kind, message } = outcome.failure;
  mustBe(
    outcome.outcome === 'refused' && ['NotSupported', 'InvalidRequest'].includes(kind),
    `a create with ${Object.keys(change).join()}, without ${capability}, is ${outcome.outcome} as ${kind}: ${message}`,
  );
}

/** Of all its disks together: which one is the root's is nobody's business here, and no other grows. Partitions follow later. */
async function diskBytes(scene: Scene): Promise<number> {
  const { stdout, exitCode } = await run(await scene.inside(), 'lsblk -bdno SIZE,TYPE');
  mustBe(exitCode === 0, `lsblk exited ${exitCode}`);
  const sizes = [...stdout.matchAll(/^\s*(\d+)\s+disk\s*$/gm)].map(([, size]) => Number(size));
  mustBe(sizes.length > 0, `lsblk shows no disk: ${stdout.trim()}`);
  return sizes.reduce((sum, size) => sum + size, 0);
}

function inGb(bytes: number): string {
  return (bytes / 1e9).toFixed(1);
}

type Kept = Pick<CloudInstance, (typeof KEPT)[number]>;

function mustKeep(before: Kept, after: Kept): void {
  const lost = KEPT.filter((field) => before[field] !== after[field]);
  mustBe(lost.length === 0, lost.map((field) => `${field} was ${before[field]} and is ${after[field]}`).join('; '));
}

/** Types of one family begin alike: `m5.large`, `m5.xlarge`. */
function familyDistance(a: string, b: string): number {
  let same = 0;
  while (same < Math.min(a.length, b.length) && a[same] === b[same]) same += 1;
  return -same;
}
