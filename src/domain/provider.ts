/**
 * The port every provider adapter implements. What each operation owes its caller, errors included, stands here;
 * how a vendor spells it stands in `src/adapters/<provider>/`.
 */
import type { FailureFact } from './errors.js';
import type { FirewallRules } from './firewall.js';
import type { CloudCredRefId, CloudId, IsoTime, RefId } from './ids.js';
import type { Money } from './money.js';
import type { Offer } from './placement/offer.js';
import type { Size } from './size.js';

/** The field's nine words. `terminated` is final. */
export type LifecycleStatus =
  | 'pending'
  | 'running'
  | 'stopping'
  | 'stopped'
  | 'suspending'
  | 'suspended'
  | 'terminating'
  | 'terminated'
  | 'failed';

/** What a provider can do at all. Asked first, never found out by failing. */
export type Capability =
  | 'create-instance'
  /** The vendor itself returns the same machine for the same attempt key. */
  | 'create-instance-idempotent'
  | 'terminate-instance'
  | 'instance-userdata'
  | 'tags'
  | 'stop-start-instance'
  | 'reboot-instance'
  | 'machine-image'
  /** Rules per machine, changeable while it lives. An account-wide firewall does not count. */
  | 'modify-firewall'
  | 'change-instance-type'
  | 'resize-instance-volume';

/** Those that are about one machine: provider, type and machine must all agree (the three-level rule). */
export type InstanceCapability = Extract<
  Capability,
  | 'stop-start-instance'
  | 'reboot-instance'
  | 'modify-firewall'
  | 'tags'
  | 'change-instance-type'
  | 'resize-instance-volume'
>;

export interface ProviderLimits {
  /** The fastest we may list, in ms, while something is in transition. */
  pollIntervalMs: number;
  /** How long a new machine, or a change, may be missing from listings, in ms. Absence is believed only after it. */
  listingLagMs: number;
  /** Requests a second for the account; absent: the vendor names none. */
  requestsPerSecond?: number;
  /** Creates a minute for the account. */
  createsPerMinute?: number;
}

export interface CreateInstanceAttrs {
  refId: RefId;
  cloudCredRefId: CloudCredRefId;
  /** From `attemptKey`: the vendor's idempotency key, and a tag. */
  attemptKey: string;
  name: string;
  location: string;
  subLocation?: string;
  instanceType: string;
  /** OpenSSH form, one line each. */
  publicKeys: string[];
  imageId?: string;
  diskSize?: Size;
  tags: Record<string, string>;
  firewallRules: FirewallRules;
  userDataBase64?: string;
}

/** What is dialled at the public address as `publicPort` arrives at the machine's `port`. */
export interface PortMapping {
  port: number;
  publicPort: number;
}

/** One machine as its provider shows it. */
export interface CloudInstance {
  cloudId: CloudId;
  /** Absent on a machine that carries no identity of ours. */
  refId?: RefId;
  cloudCredRefId?: CloudCredRefId;
  attemptKey?: string;
  name: string;
  status: LifecycleStatus;
  /** The provider's own words, or a status word that we did not know. */
  statusMessage?: string;
  location: string;
  subLocation?: string;
  instanceType: string;
  /** `{location}-{subLocation or noSub}-{type}`, or the vendor's own form: byte-identical with the type list's. */
  instanceTypeId: string;
  /** An address or a DNS name; absent until the machine runs. */
  publicAddress?: string;
  privateAddress?: string;
  /** Where the address is not the machine's alone: which of its ports are to be had there. `sshPort` is the public one. */
  portMappings?: PortMapping[];
  sshUser: string;
  sshPort: number;
  createdAt: IsoTime;
  tags: Record<string, string>;
  /** What this machine can do: provider, type and machine agree. */
  capabilities: InstanceCapability[];
  pricePerHour?: Money;
  /** Where listings show a machine's own rules: one that came with what is wanted needs no call for them. */
  firewallRules?: FirewallRules;
}

/**
 * A create has three outcomes. `refused` means that nothing was created, and the adapter knows it; everything that
 * leaves a doubt is `unknown`: a lost answer, a 5xx, an answer we cannot read.
 */
export type CreateOutcome =
  | { outcome: 'exists'; instance: CloudInstance; adopted: boolean; requestId?: string }
  | { outcome: 'refused'; failure: FailureFact }
  | { outcome: 'unknown'; failure: FailureFact };

export interface InstanceType {
  id: string;
  instanceType: string;
  location: string;
  subLocation?: string;
  isAvailable: boolean;
  pricePerHour?: Money;
  gpus: { name: string; count: number; memoryPerGpu?: Size }[];
  vcpu?: number;
  memory?: Size;
  architecture: 'x86_64' | 'arm64' | 'unknown';
  capabilities: InstanceCapability[];
}

/**
 * One client for one credential.
 *
 * All operations throw `ProviderError` (but `createInstance`, which says how it went), honour the `AbortSignal`, and
 * never put a secret, a key or a raw vendor body into an error. Ids are the provider's own.
 */
export interface Provider {
  /** Style `lambda-labs`. Stored in search attributes. */
  readonly id: string;
  readonly cloudCredRefId: CloudCredRefId;
  readonly capabilities: readonly Capability[];
  readonly limits: ProviderLimits;
  /** Set where the adapter brings a firewall onto each machine at its first boot. Else it is the vendor's own, or none. */
  readonly firewall?: 'host';
  /** Set where the vendor tells no prices: there are those that the credential has, and types without one. (0027) */
  readonly prices?: 'credential';
  /** Set where the vendor does not tell what is in stock: all that is sold counts as available. (0028) */
  readonly stock?: 'untold';

  /**
   * Looks for the refId, then creates. Resolves once the provider has accepted, which is before the machine runs.
   * Safe to repeat once the listing lag has passed: a live machine with this refId is returned (`adopted`), not doubled.
   */
  createInstance(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<CreateOutcome>;

  /** @throws {ProviderError} InstanceNotFound for an id the provider does not know. */
  getInstance(cloudId: CloudId, location: string, signal: AbortSignal): Promise<CloudInstance>;

  /**
   * Every machine of the account that carries our identity, all pages; whole or an error, since what it lacks is
   * taken for gone. Terminated ones may be among them.
   */
  listInstances(signal: AbortSignal): Promise<CloudInstance[]>;

  /** Asks for the end; resolves also when it is already going or gone. The caller looks until it is not found. */
  terminateInstance(cloudId: CloudId, location: string, signal: AbortSignal): Promise<void>;

  /** These resolve once accepted, also when already so. @throws {ProviderError} NotSupported without the capability. */
  stopInstance(cloudId: CloudId, location: string, signal: AbortSignal): Promise<void>;
  startInstance(cloudId: CloudId, location: string, signal: AbortSignal): Promise<void>;
  rebootInstance(cloudId: CloudId, location: string, signal: AbortSignal): Promise<void>;

  /** Makes the machine's rules equal to these: adds and revokes the difference only. */
  setFirewallRules(cloudId: CloudId, location: string, rules: FirewallRules, signal: AbortSignal): Promise<void>;
  /** Replaces the caller's tags; our identity tags stay. */
  updateTags(cloudId: CloudId, location: string, tags: Record<string, string>, signal: AbortSignal): Promise<void>;
  changeInstanceType(cloudId: CloudId, location: string, instanceType: string, signal: AbortSignal): Promise<void>;
  resizeVolume(cloudId: CloudId, location: string, size: Size, signal: AbortSignal): Promise<void>;

  /** Whole, in a deterministic order, ids unique. */
  listInstanceTypes(signal: AbortSignal): Promise<InstanceType[]>;
  listLocations(signal: AbortSignal): Promise<string[]>;

  /**
   * What our creates left in the account besides machines: keys, disks, addresses, security groups. Whole or an error.
   * Absent: a create makes nothing but its machine. Nobody polls it; conformance asks, when all should be gone.
   */
  listSideResources?(signal: AbortSignal): Promise<SideResource[]>;
}

/** A thing that a create of ours made, and that may outlive its machine. */
export interface SideResource {
  /** In the vendor's word: `ssh-key`, `disk`. */
  kind: string;
  /** By which a person finds it in the vendor's console. */
  name: string;
  /** For whose machine it was made, where the thing tells. */
  refId?: RefId;
}

/** Tags that carry our identity; callers may not use the prefix. */
export const IDENTITY_TAGS = {
  refId: 'refId',
  cloudCredRefId: 'cloudCredRefId',
  attemptKey: 'slipway-attempt',
} as const;

export function toInstanceTypeId(location: string, subLocation: string | undefined, instanceType: string): string {
  return `${location}-${subLocation || 'noSub'}-${instanceType}`;
}

export function offerOf(instance: CloudInstance, cloudCredRefId: CloudCredRefId): Offer {
  return { cloudCredRefId, location: instance.location, instanceType: instance.instanceType };
}
