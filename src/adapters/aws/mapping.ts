import { createHash } from 'node:crypto';
import type { BlockDeviceMapping, RunInstancesRequest } from '@aws-sdk/client-ec2';
import { normaliseGpu } from '../../domain/gpu.js';
import { type CloudCredRefId, type IsoTime, toIsoTime } from '../../domain/ids.js';
import type { Money } from '../../domain/money.js';
import {
  type CloudInstance,
  type CreateInstanceAttrs,
  type InstanceCapability,
  type InstanceType,
  type LifecycleStatus,
  toInstanceTypeId,
} from '../../domain/provider.js';
import { type Size, toBytes } from '../../domain/size.js';
import { redact } from '../../redact.js';
import { toText, toUserData } from '../user-data.js';
import type { Ec2Image, Ec2Instance, Ec2Type } from './client.js';
import { readTags, toTagList } from './tags.js';

/** Their words and ours; a word that is not here is `pending`, and quoted. */
export const STATUS: Readonly<Record<string, LifecycleStatus>> = {
  pending: 'pending',
  running: 'running',
  'shutting-down': 'terminating',
  terminated: 'terminated',
  stopping: 'stopping',
  stopped: 'stopped',
};

/** EC2 has no word for failed: a start that broke inside leaves the machine stopped, with one of these reasons. Inferred. */
export const FAILED_REASONS: ReadonlySet<string> = new Set(['Server.InternalError', 'Client.InternalError']);
/** Said of everything that is stopped, ended or about to run as it was told. */
const PLAIN_REASONS: ReadonlySet<string> = new Set(['', 'pending', 'Client.UserInitiatedShutdown']);

export const CAPABILITIES = [
  'stop-start-instance',
  'reboot-instance',
  'modify-firewall',
  'tags',
  'change-instance-type',
  'resize-instance-volume',
] as const satisfies readonly InstanceCapability[];

const MESSAGE_LENGTH = 300;
const USER_DATA_BYTES = 16_384;
const GIB = 2 ** 30;

/** What the adapter knows that no answer says. */
export interface Setting {
  cloudCredRefId: CloudCredRefId;
  sshUser: string;
  sshPort: number;
  /** USD an hour, by type or by `region/type`: EC2 itself tells no price. */
  prices: Readonly<Record<string, string>>;
}

export function toCloudInstance(ec2: Ec2Instance, region: string, setting: Setting): CloudInstance {
  const { ours, name, tags } = readTags(ec2.Tags);
  const { createdAt, ...identity } = ours;
  const instanceType = ec2.InstanceType ?? '';
  const subLocation = ec2.Placement?.AvailabilityZone;
  return {
    cloudId: ec2.InstanceId,
    ...identity,
    name,
    ...toStatus(ec2),
    location: region,
    ...(subLocation && { subLocation }),
    instanceType,
    instanceTypeId: toInstanceTypeId(region, subLocation, instanceType),
    ...(ec2.PublicIpAddress && { publicAddress: ec2.PublicIpAddress }),
    ...(ec2.PrivateIpAddress && { privateAddress: ec2.PrivateIpAddress }),
    sshUser: setting.sshUser,
    sshPort: setting.sshPort,
    createdAt: toTime(createdAt, ec2.LaunchTime),
    tags,
    capabilities: toCapabilities(ec2),
    ...toPrice(region, instanceType, setting),
  };
}

/** A group of ours is told by its name: only that one do we change. */
export function groupIdOf({ SecurityGroups = [] }: Ec2Instance): string | undefined {
  return SecurityGroups.find(({ GroupName }) => GroupName?.startsWith('slipway.'))?.GroupId;
}

/** A machine whose root is no EBS volume cannot stop, and loses everything if it could. */
function toCapabilities(ec2: Ec2Instance): InstanceCapability[] {
  const isEbs = ec2.RootDeviceType !== 'instance-store';
  const needsEbs: ReadonlySet<InstanceCapability> = new Set([
    'stop-start-instance',
    'change-instance-type',
    'resize-instance-volume',
  ]);
  return CAPABILITIES.filter(
    (one) => (isEbs || !needsEbs.has(one)) && (one !== 'modify-firewall' || groupIdOf(ec2) !== undefined),
  );
}

function toStatus({ State, StateReason }: Ec2Instance): { status: LifecycleStatus; statusMessage?: string } {
  const word = State.Name ?? '';
  const known = Object.hasOwn(STATUS, word) ? STATUS[word] : undefined;
  if (!known) {
    const quoted = JSON.stringify(word.slice(0, 100));
    return { status: 'pending', statusMessage: redact(`status word not known to Slipway: ${quoted}`) };
  }
  const { Code: code = '', Message: message = '' } = StateReason ?? {};
  if (known === 'running' || PLAIN_REASONS.has(code)) return { status: known };
  const status = known === 'stopped' && FAILED_REASONS.has(code) ? 'failed' : known;
  return { status, statusMessage: redact(message || code).slice(0, MESSAGE_LENGTH) };
}

/** EC2's own time is that of the last start. A time nobody gives is the epoch, so that the machine counts as old. */
function toTime(tagged: string | undefined, launchedAt: Date | undefined): IsoTime {
  const at = Date.parse(tagged ?? '');
  if (!Number.isNaN(at)) return toIsoTime(at);
  return toIsoTime(launchedAt?.getTime() ?? 0);
}

function toPrice(region: string, type: string, { prices }: Setting): { pricePerHour?: Money } {
  const amount = prices[`${region}/${type}`] ?? prices[type];
  return amount === undefined ? {} : { pricePerHour: { amount, currency: 'USD' } };
}

/** At most 64 characters of ASCII; the same attempt has the same one for good. */
export function toClientToken({
  cloudCredRefId,
  attemptKey,
}: Pick<CreateInstanceAttrs, 'cloudCredRefId' | 'attemptKey'>): string {
  return createHash('sha256').update(`${cloudCredRefId}/${attemptKey}`).digest('hex');
}

export interface FirstBoot {
  /** For RunInstances, base64. */
  userData: string;
  /** What of it no error may echo. */
  conceal: (string | undefined)[];
}

/** Keys come by cloud-init: a key pair takes one key, of two kinds only, and would have to be cleaned up. @throws {TypeError} */
export function toFirstBoot({ publicKeys, userDataBase64 }: CreateInstanceAttrs): FirstBoot {
  const keys = [...new Set(publicKeys)];
  if (keys.length === 0) throw new TypeError('publicKeys must have at least one key');
  const odd = keys.findIndex((key) => !/^[a-z][a-z0-9@.-]{2,63} [A-Za-z0-9+/]{40,}={0,3}(?: [^\r\n]*)?$/.test(key));
  if (odd >= 0) throw new TypeError(`publicKeys[${odd}] must be one line: "ssh-ed25519 AAAA…"`);
  const bare = keys.map((key) => key.split(' ').slice(0, 2).join(' '));
  const cloudConfig = ['#cloud-config', 'ssh_authorized_keys:', ...bare.map((key) => `  - ${JSON.stringify(key)}`), ''];
  const callers = userDataBase64 === undefined ? undefined : toText(userDataBase64);
  const text = toUserData({ cloudConfig: cloudConfig.join('\n'), callers });
  if (Buffer.byteLength(text) > USER_DATA_BYTES) {
    throw new TypeError('userDataBase64 is too long for EC2: 16 KiB, with what Slipway adds');
  }
  const userData = Buffer.from(text).toString('base64');
  return { userData, conceal: [userDataBase64, callers, userData] };
}

export interface Launch {
  image: Ec2Image;
  groupId: string;
  userData: string;
  createdAt: IsoTime;
}

export function toRunInput(attrs: CreateInstanceAttrs, { image, groupId, userData, createdAt }: Launch) {
  const { refId, cloudCredRefId, attemptKey, name, subLocation, instanceType } = attrs;
  const Tags = toTagList(attrs.tags, { refId, cloudCredRefId, attemptKey, createdAt }, name);
  return {
    ImageId: image.ImageId,
    InstanceType: instanceType as RunInstancesRequest['InstanceType'],
    MinCount: 1,
    MaxCount: 1,
    ClientToken: toClientToken(attrs),
    SecurityGroupIds: [groupId],
    UserData: userData,
    BlockDeviceMappings: toDisks(image, attrs.diskSize),
    // A shutdown from inside must not lose the disk.
    InstanceInitiatedShutdownBehavior: 'stop',
    // Only with a session token: a web server on the machine that is tricked into fetching a URL must not give credentials away.
    MetadataOptions: { HttpTokens: 'required', HttpEndpoint: 'enabled' },
    ...(subLocation && { Placement: { AvailabilityZone: subLocation } }),
    TagSpecifications: [
      { ResourceType: 'instance', Tags },
      { ResourceType: 'volume', Tags },
    ],
  } satisfies RunInstancesRequest;
}

/**
 * An image may say that its disks outlive the machine: nobody would ever delete them. What is changed is sent whole; the
 * rest stays the image's.
 */
function toDisks({ RootDeviceName, BlockDeviceMappings = [] }: Ec2Image, size: Size | undefined): BlockDeviceMapping[] {
  const disks = BlockDeviceMappings.flatMap(({ DeviceName, Ebs }) => {
    const grown = DeviceName === RootDeviceName && size ? toGib(size) : undefined;
    if (!Ebs || (Ebs.DeleteOnTermination && grown === undefined)) return [];
    const VolumeSize = grown ?? Ebs.VolumeSize;
    return [{ DeviceName, Ebs: { DeleteOnTermination: true, ...(VolumeSize !== undefined && { VolumeSize }) } }];
  });
  if (!size || disks.some(({ DeviceName }) => DeviceName === RootDeviceName)) return disks;
  return [...disks, { DeviceName: RootDeviceName, Ebs: { DeleteOnTermination: true, VolumeSize: toGib(size) } }];
}

/** Whole GiB, never less than asked. */
export function toGib(size: Size): number {
  return Math.ceil(toBytes(size) / GIB);
}

/** @throws {TypeError} for tags that EC2 does not take. */
export function checkTags(tags: Record<string, string>): void {
  for (const [key, value] of Object.entries(tags)) {
    if (/^aws:/i.test(key)) throw new TypeError(`tags.${key}: the prefix "aws:" is Amazon's`);
    if (key.length > 128) throw new TypeError(`tags.${key.slice(0, 20)}… is too long for EC2: 128 characters`);
    if (value.length > 256) throw new TypeError(`tags.${key} is too long for EC2: 256 characters`);
  }
}

/** One type in each zone that sells it. EC2 does not tell what is in stock: the create finds out. */
export function toInstanceTypes(
  ec2: Ec2Type,
  region: string,
  zones: readonly string[],
  setting: Setting,
): InstanceType[] {
  const { InstanceType: instanceType, VCpuInfo, MemoryInfo } = ec2;
  return zones.map((zone) => ({
    id: toInstanceTypeId(region, zone, instanceType),
    instanceType,
    location: region,
    subLocation: zone,
    isAvailable: true,
    ...toPrice(region, instanceType, setting),
    gpus: toGpus(ec2),
    ...(VCpuInfo?.DefaultVCpus && { vcpu: VCpuInfo.DefaultVCpus }),
    ...(MemoryInfo?.SizeInMiB && { memory: { value: MemoryInfo.SizeInMiB, unit: 'MiB' as const } }),
    architecture: toArchitecture(ec2),
    capabilities: [...CAPABILITIES],
  }));
}

/** A name that we do not know stays theirs; the memory is of one, and less than what the model is sold as. */
function toGpus({ GpuInfo }: Ec2Type): InstanceType['gpus'] {
  return (GpuInfo?.Gpus ?? []).flatMap(({ Name: theirs, Count: count = 0, MemoryInfo }) => {
    if (!theirs || count < 1) return [];
    const memory = MemoryInfo?.SizeInMiB;
    const { name = theirs } = normaliseGpu(theirs, memory === undefined ? {} : { memoryGb: (memory * 2 ** 20) / 1e9 });
    return [{ name, count, ...(memory && { memoryPerGpu: { value: memory, unit: 'MiB' as const } }) }];
  });
}

/** `i386` stands beside `x86_64` on old types. */
export function toArchitecture({ ProcessorInfo }: Ec2Type): InstanceType['architecture'] {
  const all: readonly string[] = ProcessorInfo?.SupportedArchitectures ?? [];
  if (all.includes('x86_64')) return 'x86_64';
  return all.includes('arm64') ? 'arm64' : 'unknown';
}
