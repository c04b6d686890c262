import { type FirewallRule, type FirewallRules, normaliseRules } from '../../domain/firewall.js';
import type { CloudCredRefId } from '../../domain/ids.js';
import { isMoney, type Money } from '../../domain/money.js';
import {
  type Capability,
  type CloudInstance,
  type CreateInstanceAttrs,
  IDENTITY_TAGS,
  type InstanceCapability,
  type InstanceType,
  type LifecycleStatus,
  toInstanceTypeId,
} from '../../domain/provider.js';
import { isSize, type Size, toBytes } from '../../domain/size.js';
import { redact } from '../../redact.js';
import type { NewSimRule, SimCreateBody, SimFirewallRules, SimInstance, SimInstanceType } from './client.js';

const STATUS: Readonly<Record<string, LifecycleStatus>> = {
  pending: 'pending',
  running: 'running',
  stopping: 'stopping',
  stopped: 'stopped',
  terminating: 'terminating',
  terminated: 'terminated',
  failed: 'failed',
};

const ARCHITECTURE: Readonly<Record<string, InstanceType['architecture']>> = { x86_64: 'x86_64', arm64: 'arm64' };

const DEFAULT_SSH = { sshUser: 'ubuntu', sshPort: 22 } as const;
const MESSAGE_LENGTH = 300;

/** @param asked What we asked for, where a create's answer leaves something out. */
export function toCloudInstance(
  sim: SimInstance,
  capabilities: readonly Capability[],
  asked?: CreateInstanceAttrs,
): CloudInstance {
  const { refId, cloudCredRefId, attemptKey, tags } = splitTags(sim.tags);
  const location = sim.location ?? asked?.location ?? '';
  const subLocation = sim.subLocation ?? asked?.subLocation;
  const instanceType = sim.instanceType ?? asked?.instanceType ?? '';
  return {
    cloudId: sim.id,
    ...compact({
      refId: refId ?? asked?.refId,
      cloudCredRefId: cloudCredRefId ?? asked?.cloudCredRefId,
      attemptKey: attemptKey ?? asked?.attemptKey,
      subLocation,
      publicAddress: sim.publicAddress,
      privateAddress: sim.privateAddress,
      pricePerHour: toMoney(sim.pricePerHour),
      firewallRules: capabilities.includes('modify-firewall') ? toRules(sim.firewallRules) : undefined,
    }),
    name: sim.name ?? asked?.name ?? '',
    ...toStatus(sim),
    location,
    instanceType,
    instanceTypeId: toInstanceTypeId(location, subLocation, instanceType),
    sshUser: sim.sshUser ?? DEFAULT_SSH.sshUser,
    sshPort: sim.sshPort ?? DEFAULT_SSH.sshPort,
    createdAt: toTime(sim.createdAt, asked !== undefined),
    tags,
    capabilities: toInstanceCapabilities(sim, capabilities),
  };
}

export function toInstanceType(sim: SimInstanceType, capabilities: readonly Capability[]): InstanceType {
  const { name, location, subLocation, available, gpu, vcpu } = sim;
  const memoryPerGpu = toSize(gpu?.memory);
  return {
    id: toInstanceTypeId(location, subLocation, name),
    instanceType: name,
    location,
    isAvailable: available,
    gpus: gpu ? [{ name: gpu.name, count: gpu.count, ...compact({ memoryPerGpu }) }] : [],
    architecture: ARCHITECTURE[sim.architecture ?? ''] ?? 'unknown',
    capabilities: toInstanceCapabilities(sim, capabilities),
    ...compact({ subLocation, vcpu, memory: toSize(sim.memory), pricePerHour: toMoney(sim.pricePerHour) }),
  };
}

export function toCreateBody(attrs: CreateInstanceAttrs, sendsClientToken: boolean): SimCreateBody {
  const { name, location, instanceType, imageId, publicKeys, userDataBase64, firewallRules, attemptKey } = attrs;
  return {
    name,
    location,
    instanceType,
    // The user’s and ours may be the same.
    publicKeys: [...new Set(publicKeys)],
    tags: withIdentity(attrs.tags, attrs),
    firewallRules: normaliseRules(firewallRules),
    ...compact({
      imageId,
      userDataBase64,
      diskSize: attrs.diskSize && toSimSize(attrs.diskSize),
      clientToken: sendsClientToken ? attemptKey : undefined,
    }),
  };
}

interface Identity {
  refId?: string;
  cloudCredRefId?: CloudCredRefId;
  attemptKey?: string;
}

const IDENTITY = Object.entries(IDENTITY_TAGS) as [keyof Identity, string][];
const IDENTITY_NAMES = new Set<string>(Object.values(IDENTITY_TAGS));

/** The caller's tags with ours over them. */
export function withIdentity(tags: Record<string, string>, identity: Identity): Record<string, string> {
  const ours = IDENTITY.flatMap(([field, tag]) => (identity[field] === undefined ? [] : [[tag, identity[field]]]));
  return { ...tags, ...Object.fromEntries(ours) };
}

function splitTags(all: Record<string, string>): Identity & { tags: Record<string, string> } {
  const identity: Identity = {};
  for (const [field, tag] of IDENTITY) if (all[tag]) identity[field] = all[tag];
  const tags = Object.fromEntries(Object.entries(all).filter(([name]) => !IDENTITY_NAMES.has(name)));
  return { ...identity, tags };
}

/** What is to be opened and what to be closed, so that a machine with `current` has exactly `wanted`. */
export function ruleDifference(
  current: SimFirewallRules,
  wanted: FirewallRules,
): { add: NewSimRule[]; revoke: SimFirewallRules['ingressRules'] } {
  const sides = [
    { direction: 'ingress', present: current.ingressRules, wanted: normaliseRules(wanted).ingressRules },
    { direction: 'egress', present: current.egressRules, wanted: normaliseRules(wanted).egressRules },
  ] as const;
  return {
    add: sides.flatMap(({ direction, present, wanted }) => {
      const keys = new Set(present.map(ruleKey));
      return wanted.filter((rule) => !keys.has(ruleKey(rule))).map((rule) => ({ direction, rule }));
    }),
    revoke: sides.flatMap(({ present, wanted }) => {
      const keys = new Set(wanted.map(ruleKey));
      return present.filter((rule) => !keys.has(ruleKey(rule)));
    }),
  };
}

/** Without the ids that simcloud gives them. */
function toRules(shown: SimFirewallRules | undefined): FirewallRules | undefined {
  if (!shown) return undefined;
  const bare = ({ fromPort, toPort, ipRanges }: FirewallRule) => ({ fromPort, toPort, ipRanges });
  return { ingressRules: shown.ingressRules.map(bare), egressRules: shown.egressRules.map(bare) };
}

function ruleKey({ fromPort, toPort, ipRanges }: FirewallRule): string {
  return JSON.stringify(normaliseRules({ ingressRules: [{ fromPort, toPort, ipRanges }], egressRules: [] }));
}

/** Provider, type and machine must agree; simcloud's machines say what their type says. */
function toInstanceCapabilities(
  { stoppable, rebootable }: { stoppable: boolean; rebootable: boolean },
  declared: readonly Capability[],
): InstanceCapability[] {
  const able: Record<InstanceCapability, boolean> = {
    'stop-start-instance': stoppable,
    'reboot-instance': rebootable,
    'modify-firewall': true,
    tags: true,
    'change-instance-type': true,
    'resize-instance-volume': true,
  };
  return (Object.keys(able) as InstanceCapability[]).filter((name) => able[name] && declared.includes(name));
}

function toStatus({ status = '', statusMessage }: SimInstance): { status: LifecycleStatus; statusMessage?: string } {
  const known = Object.hasOwn(STATUS, status) ? STATUS[status] : undefined;
  const word = known ? undefined : `status word not known to Slipway: ${JSON.stringify(status.slice(0, 100))}`;
  const message = [word, statusMessage].filter(Boolean).join('; ');
  return { status: known ?? 'pending', ...(message && { statusMessage: redact(message).slice(0, MESSAGE_LENGTH) }) };
}

/** A fresh machine without a date is of now; an old one, of nobody knows when: the epoch, so that it counts as old. */
function toTime(text: string | undefined, isFresh: boolean): string {
  const at = Date.parse(text ?? '');
  if (!Number.isNaN(at)) return new Date(at).toISOString();
  return new Date(isFresh ? Date.now() : 0).toISOString();
}

function toMoney(money: Money | undefined): Money | undefined {
  return isMoney(money) ? { amount: money.amount, currency: money.currency } : undefined;
}

function toSize(size: { value: number; unit: string } | undefined): Size | undefined {
  return isSize(size) ? { value: size.value, unit: size.unit } : undefined;
}

const SIM_UNITS: readonly string[] = ['MB', 'MiB', 'GB', 'GiB', 'TB', 'TiB'];

/** Simcloud knows neither bytes nor petabytes. */
export function toSimSize(size: Size): Size {
  return SIM_UNITS.includes(size.unit) ? size : { value: toBytes(size) / 2 ** 20, unit: 'MiB' };
}

/** Without the absent fields: what goes into a history should not say `undefined` in three spellings. */
function compact<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const present: Partial<T> = {};
  for (const name of Object.keys(fields) as (keyof T)[]) if (fields[name] !== undefined) present[name] = fields[name];
  return present as { [K in keyof T]?: Exclude<T[K], undefined> };
}
