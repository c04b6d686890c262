import { renderCloudConfig } from '../../domain/firewall.js';
import { type IsoTime, toIsoTime } from '../../domain/ids.js';
import {
  type CloudInstance,
  type CreateInstanceAttrs,
  IDENTITY_TAGS,
  type InstanceCapability,
  type LifecycleStatus,
  toInstanceTypeId,
} from '../../domain/provider.js';
import { type Size, toBytes } from '../../domain/size.js';
import { redact } from '../../redact.js';
import { pendingInstance } from '../pending-instance.js';
import { toText, toUserData } from '../user-data.js';
import type { CreateInstanceMessage } from './client.js';
import { callersOnly, NAME_LABEL, toDiskName, toLabels, toResourceName } from './identity.js';
import type { NebiusInstance } from './schemas.js';

/**
 * Their words and ours. A word that is not here is `pending`, and quoted. `UPDATING` says nothing of whether the machine
 * runs: it stays what it was when last seen. (Others read it as failed.)
 */
export const STATUS: Readonly<Record<string, LifecycleStatus>> = {
  UNSPECIFIED: 'pending',
  CREATING: 'pending',
  STARTING: 'pending',
  UPDATING: 'running',
  RUNNING: 'running',
  STOPPING: 'stopping',
  STOPPED: 'stopped',
  DELETING: 'terminating',
  ERROR: 'failed',
};

export const CAPABILITIES: InstanceCapability[] = ['change-instance-type', 'stop-start-instance', 'tags'];
const SSH_USER = 'ubuntu';
/** Open beside 22: spec/contract.md 8.1. */
const ALTERNATE_SSH_PORT = 2222;
/** The vendor's limit for `cloud_init_user_data`, in characters. */
const USER_DATA_LENGTH = 32_768;
const IMAGE_FAMILY = { gpu: 'ubuntu24.04-cuda13.0', cpu: 'ubuntu24.04-driverless' } as const;
const DEFAULT_DISK_GIB = 1_280;

/** What an instance does not say of itself. */
export interface Setting {
  sshPort: number;
  /** Where its project is. */
  region: string;
  /** As it was seen before, if it was. */
  lastKnown?: LifecycleStatus;
}

/** `gpu-h100-sxm.8gpu-128vcpu-1600gb` */
export function toTypeName(platform: string, preset: string): string {
  return `${platform}.${preset}`;
}

/** At the first dot. @throws {TypeError} for a name without a preset: none is chosen instead. */
export function splitTypeName(instanceType: string): { platform: string; preset: string } {
  const at = instanceType.indexOf('.');
  if (at < 1 || at === instanceType.length - 1) {
    throw new TypeError(`instanceType must be "{platform}.{preset}": ${JSON.stringify(instanceType.slice(0, 100))}`);
  }
  return { platform: instanceType.slice(0, at), preset: instanceType.slice(at + 1) };
}

export function typeNameOf({ spec }: NebiusInstance): string {
  return toTypeName(spec?.resources?.platform ?? '', spec?.resources?.preset ?? '');
}

/** Without its price, which an instance does not know. */
export function toCloudInstance(nebius: NebiusInstance, { sshPort, region, lastKnown }: Setting): CloudInstance {
  const { id, name, labels, created_at: createdAt } = nebius.metadata;
  const instanceType = typeNameOf(nebius);
  const [{ public_ip_address: outside, ip_address: inside } = {}] = nebius.status?.network_interfaces ?? [];
  const publicAddress = withoutMask(outside?.address);
  const privateAddress = withoutMask(inside?.address);
  const refId = labels[IDENTITY_TAGS.refId];
  const cloudCredRefId = labels[IDENTITY_TAGS.cloudCredRefId];
  const attemptKey = labels[IDENTITY_TAGS.attemptKey];
  return {
    cloudId: id,
    ...(refId && { refId }),
    ...(cloudCredRefId && { cloudCredRefId }),
    ...(attemptKey && { attemptKey }),
    name: labels[NAME_LABEL] ?? name,
    ...toStatus(nebius, lastKnown),
    location: region,
    instanceType,
    instanceTypeId: toInstanceTypeId(region, undefined, instanceType),
    ...(publicAddress && { publicAddress }),
    ...(privateAddress && { privateAddress }),
    sshUser: SSH_USER,
    sshPort,
    createdAt: toTime(createdAt),
    tags: callersOnly(labels),
    capabilities: CAPABILITIES,
  };
}

/** A create answers with an id alone; the rest is what we asked for. */
export function toPendingInstance(
  attrs: CreateInstanceAttrs,
  cloudId: string,
  createdAt: IsoTime,
  { sshPort, region }: Setting,
): CloudInstance {
  return pendingInstance(attrs, {
    cloudId,
    location: region,
    instanceTypeId: toInstanceTypeId(region, undefined, attrs.instanceType),
    sshUser: SSH_USER,
    sshPort,
    createdAt,
    tags: callersOnly(attrs.tags),
    capabilities: CAPABILITIES,
  });
}

/** A create, but for where: the project and its subnet. */
export type Launch = (place: { projectId: string; subnetId: string }) => CreateInstanceMessage;

/** @throws {TypeError | RulesRefusedError} naming what Nebius cannot express. Nothing is dropped, nothing chosen instead. */
export function toLaunch(attrs: CreateInstanceAttrs): Launch {
  const { firewallRules, publicKeys, imageId, diskSize, userDataBase64 } = attrs;
  const { platform, preset } = splitTypeName(attrs.instanceType);
  const cloudConfig = renderCloudConfig(firewallRules, {
    publicKeys: [...new Set(publicKeys)],
    sshPorts: [ALTERNATE_SSH_PORT],
  });
  const callers = userDataBase64 === undefined ? undefined : toText(userDataBase64);
  const userData = toUserData({ cloudConfig, callers });
  if ([...userData].length > USER_DATA_LENGTH) {
    const left = USER_DATA_LENGTH - [...toUserData({ cloudConfig, callers: '#' })].length;
    throw new TypeError(
      `userDataBase64 is too long for Nebius: beside the firewall there is room for ${left} characters`,
    );
  }
  const labels = toLabels(attrs);
  const name = toResourceName(attrs);
  const bootDisk = {
    name: toDiskName(attrs),
    labels,
    spec: {
      type: 'NETWORK_SSD',
      size_gibibytes: toGibibytes(diskSize),
      ...toImage(imageId, platform),
    },
  };
  return ({ projectId, subnetId }) => ({
    metadata: { parent_id: projectId, name, labels },
    spec: {
      resources: { platform, preset },
      // Empty messages: any address, and a public one that lives as long as the machine.
      network_interfaces: [{ name: 'eth0', subnet_id: subnetId, ip_address: {}, public_ip_address: {} }],
      // A managed disk comes and goes with its machine.
      boot_disk: { attach_mode: 'READ_WRITE', managed_disk: bootDisk },
      cloud_init_user_data: userData,
    },
  });
}

/** Ids are known by their prefix; any other word is a family: `ubuntu24.04-cuda13.0`. */
function toImage(imageId: string | undefined, platform: string): object {
  if (imageId?.startsWith('computeimage-')) return { source_image_id: imageId };
  const family = imageId ?? (platform.startsWith('cpu-') ? IMAGE_FAMILY.cpu : IMAGE_FAMILY.gpu);
  return { source_image_family: { image_family: family } };
}

/** Rounded up: nobody gets less than was asked for. */
function toGibibytes(size: Size | undefined): number {
  return size === undefined ? DEFAULT_DISK_GIB : Math.ceil(toBytes(size) / 2 ** 30);
}

function toStatus(
  { status }: NebiusInstance,
  lastKnown: LifecycleStatus | undefined,
): { status: LifecycleStatus; statusMessage?: string } {
  const word = status?.state ?? 'UNSPECIFIED';
  // A machine that has just been made shows so before it starts for the first time, and one that is being started.
  if (word === 'STOPPED' && status?.reconciling) return { status: 'pending', statusMessage: 'STOPPED, reconciling' };
  const known = Object.hasOwn(STATUS, word) ? STATUS[word] : undefined;
  if (word === 'UPDATING') return { status: lastKnown ?? 'running', statusMessage: word };
  if (known) return { status: known };
  const quoted = JSON.stringify(word.slice(0, 100));
  return { status: 'pending', statusMessage: redact(`status word not known to Slipway: ${quoted}`) };
}

/** Addresses come as networks of one: `203.0.113.9/32`. */
function withoutMask(address: string | undefined): string | undefined {
  return address?.replace(/\/\d+$/, '') || undefined;
}

/** A time nobody gives is the epoch, so that the machine counts as old. */
export function toTime(time: { seconds: number; nanos: number } | undefined): IsoTime {
  return toIsoTime(time ? time.seconds * 1_000 + Math.floor(time.nanos / 1e6) : 0);
}
