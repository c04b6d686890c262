import { isPort } from '../../domain/firewall.js';
import { normaliseGpu } from '../../domain/gpu.js';
import { type CloudCredRefId, type IsoTime, type RefId, toIsoTime } from '../../domain/ids.js';
import { fromMicros, type Money } from '../../domain/money.js';
import {
  type CloudInstance,
  type CreateInstanceAttrs,
  IDENTITY_TAGS,
  type InstanceCapability,
  type InstanceType,
  type LifecycleStatus,
} from '../../domain/provider.js';
import { redact } from '../../redact.js';
import { pendingInstance } from '../pending-instance.js';
import { toText } from '../user-data.js';
import type { ShadeCreateBody, ShadeInstance, ShadeInstanceType } from './client.js';
import { toLaunchScript } from './launch-script.js';

/** Their words and ours; a word that is not here is `pending`, and quoted. */
export const STATUS: Readonly<Record<string, LifecycleStatus>> = {
  creating: 'pending',
  pending_provider: 'pending',
  pending: 'pending',
  active: 'running',
  error: 'failed',
  deleting: 'terminating',
  deleted: 'terminated',
};

const CAPABILITIES: InstanceCapability[] = ['reboot-instance', 'tags'];
/** Until the machine tells its own. */
const DEFAULT_SSH = { sshUser: 'shadeform', sshPort: 22 } as const;
const MESSAGE_LENGTH = 300;
/** Ours besides the identity. The time is when we asked: theirs differs by a moment, and a create answers what get says. */
const OUR_TAGS = { createdAt: 'slipway-created-at', keyName: 'slipway-ssh-key' } as const;

/** `{cloud}_{type}`; the cloud ends at the first `_`. */
export function toTypeName(cloud: string, shadeType: string): string {
  return `${cloud}_${shadeType}`;
}

/** @throws {TypeError} for a name without a cloud. */
export function splitTypeName(instanceType: string): { cloud: string; shadeType: string } {
  const at = instanceType.indexOf('_');
  if (at < 1 || at === instanceType.length - 1) {
    throw new TypeError(`instanceType must be "{cloud}_{type}": ${JSON.stringify(instanceType.slice(0, 100))}`);
  }
  return { cloud: instanceType.slice(0, at), shadeType: instanceType.slice(at + 1) };
}

/** Shadeform's own form, for types and instances alike: `massedcompute_L40_desmoines-usa-1`. */
export function toTypeId(instanceType: string, region: string): string {
  return `${instanceType}_${region}`;
}

export function toCloudInstance(shade: ShadeInstance): CloudInstance {
  const { ours, tags } = readTags(shade.tags);
  const { createdAt, keyName: _key, ...identity } = ours;
  const location = shade.region ?? '';
  const instanceType = toTypeName(shade.cloud ?? '', shade.shade_instance_type ?? '');
  return {
    cloudId: shade.id,
    ...identity,
    name: shade.name ?? '',
    ...toStatus(shade),
    location,
    instanceType,
    instanceTypeId: toTypeId(instanceType, location),
    ...(shade.ip && { publicAddress: shade.ip }),
    ...toPortMappings(shade),
    sshUser: shade.ssh_user ?? DEFAULT_SSH.sshUser,
    sshPort: shade.ssh_port ?? DEFAULT_SSH.sshPort,
    createdAt: toTime(createdAt ?? shade.created_at),
    tags,
    capabilities: CAPABILITIES,
    ...toPrice(shade.hourly_price),
  };
}

/** Some of the clouds give a machine a few ports of an address that it shares. */
function toPortMappings({ port_mappings: mappings }: ShadeInstance): Pick<CloudInstance, 'portMappings'> {
  const portMappings = mappings
    .map(({ internal_port: port, external_port: publicPort }) => ({ port, publicPort }))
    .filter(({ port, publicPort }) => isPort(port) && isPort(publicPort));
  return portMappings.length > 0 ? { portMappings } : {};
}

/** A create answers with an id alone; the rest is what we asked for. */
export function toPendingInstance(attrs: CreateInstanceAttrs, cloudId: string, createdAt: IsoTime): CloudInstance {
  return pendingInstance(attrs, {
    cloudId,
    instanceTypeId: toTypeId(attrs.instanceType, attrs.location),
    ...DEFAULT_SSH,
    createdAt,
    capabilities: CAPABILITIES,
  });
}

export interface Launch {
  publicKey: string;
  body: Omit<ShadeCreateBody, 'ssh_key_id'>;
  /** What of it no error may echo. */
  conceal: (string | undefined)[];
}

/** @throws {TypeError | RulesRefusedError} naming what Shadeform cannot express. Nothing is dropped. */
export function toLaunch(attrs: CreateInstanceAttrs, createdAt: IsoTime): Launch {
  const { refId, cloudCredRefId, attemptKey, location, name, imageId, firewallRules, userDataBase64 } = attrs;
  const { cloud, shadeType } = splitTypeName(attrs.instanceType);
  // The user's and ours may be the same. A create takes one key: the others come with the script.
  const [publicKey, ...otherKeys] = new Set(attrs.publicKeys);
  if (publicKey === undefined) throw new TypeError('publicKeys must have at least one key');
  const callers = userDataBase64 === undefined ? undefined : toText(userDataBase64);
  const script = toLaunchScript({ firewallRules, firstKey: publicKey, otherKeys, callers });
  return {
    publicKey,
    body: {
      cloud,
      region: location,
      shade_instance_type: shadeType,
      shade_cloud: true,
      name,
      ...(imageId !== undefined && { os: imageId }),
      launch_configuration: {
        type: 'script',
        script_configuration: { base64_script: Buffer.from(script).toString('base64') },
      },
      tags: toTags(attrs.tags, { refId, cloudCredRefId, attemptKey, createdAt }),
    },
    conceal: [userDataBase64, callers],
  };
}

interface Ours {
  refId?: RefId;
  cloudCredRefId?: CloudCredRefId;
  attemptKey?: string;
  createdAt?: IsoTime;
  /** Of the SSH key it was made with: a listing does not tell. */
  keyName?: string;
}

const TAG_OF = Object.entries({ ...IDENTITY_TAGS, ...OUR_TAGS }) as [keyof Ours, string][];

/** The caller's tags with ours over them: a list of tags is always replaced as a whole. */
export function toTags(tags: Record<string, string>, ours: Ours): string[] {
  const all = new Map(Object.entries(tags));
  for (const [field, tag] of TAG_OF) {
    const value = ours[field];
    if (value === undefined) all.delete(tag);
    else all.set(tag, value);
  }
  return [...all].map(([key, value]) => `${key}=${value}`);
}

export function toKeyTag(keyName: string): string {
  return `${OUR_TAGS.keyName}=${keyName}`;
}

/** A value may hold `=`. A tag without one is somebody's remark, and no reason to fail. */
export function readTags(list: readonly string[]): { ours: Ours; keyName?: string; tags: Record<string, string> } {
  const pairs = list
    .filter((tag) => tag.indexOf('=') > 0)
    .map((tag) => [tag.slice(0, tag.indexOf('=')), tag.slice(tag.indexOf('=') + 1)] as const);
  const all = new Map(pairs);
  const ours: Ours = {};
  for (const [field, tag] of TAG_OF) {
    const value = all.get(tag);
    if (value) ours[field] = value;
    all.delete(tag);
  }
  return { ours, ...(ours.keyName && { keyName: ours.keyName }), tags: Object.fromEntries(all) };
}

function toStatus({ status = '', status_details: details }: ShadeInstance): {
  status: LifecycleStatus;
  statusMessage?: string;
} {
  const known = Object.hasOwn(STATUS, status) ? STATUS[status] : undefined;
  const word = known ? undefined : `status word not known to Slipway: ${JSON.stringify(status.slice(0, 100))}`;
  const message = [word, details].filter(Boolean).join('; ');
  return { status: known ?? 'pending', ...(message && { statusMessage: redact(message).slice(0, MESSAGE_LENGTH) }) };
}

/** A time nobody gives is the epoch, so that the machine counts as old; theirs may be the year 1. */
function toTime(text: string | undefined): IsoTime {
  const at = Date.parse(text ?? '');
  return toIsoTime(Number.isNaN(at) ? 0 : Math.max(0, at));
}

/** One type at each of its regions, sold out ones too. */
export function toInstanceTypes(shade: ShadeInstanceType): InstanceType[] {
  const { vcpus, memory_in_gb: memory } = shade.configuration;
  const instanceType = toTypeName(shade.cloud, shade.shade_instance_type);
  return shade.availability.map(({ region, available }) => ({
    id: toTypeId(instanceType, region),
    instanceType,
    location: region,
    isAvailable: available,
    ...toPrice(shade.hourly_price),
    gpus: toGpus(shade.configuration),
    ...(vcpus && { vcpu: vcpus }),
    ...(memory && { memory: { value: memory, unit: 'GB' as const } }),
    architecture: /^G[HB]/i.test(shade.configuration.gpu_type ?? '') ? ('arm64' as const) : ('x86_64' as const),
    capabilities: CAPABILITIES,
  }));
}

/** `A100_80GB_PCIe` is an A100, `A6000` an RTX A6000; the memory is of one. A name that we do not know stays theirs. */
function toGpus(configuration: ShadeInstanceType['configuration']): InstanceType['gpus'] {
  const { gpu_type: type = '', num_gpus: count = 0, vram_per_gpu_in_gb: vram } = configuration;
  if (count < 1 || type === '') return [];
  const { name = type } = normaliseGpu(type, vram === undefined ? {} : { memoryGb: vram });
  return [{ name, count, ...(vram && { memoryPerGpu: { value: vram, unit: 'GB' as const } }) }];
}

/** Integer cents for the whole machine. */
function toPrice(cents: number | undefined): { pricePerHour?: Money } {
  return cents === undefined ? {} : { pricePerHour: fromMicros(cents * 10_000, 'USD') };
}
