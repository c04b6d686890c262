import { renderCloudConfig } from '../../domain/firewall.js';
import { normaliseGpu } from '../../domain/gpu.js';
import type { CloudCredRefId, IsoTime } from '../../domain/ids.js';
import { fromMicros, type Money } from '../../domain/money.js';
import {
  type CloudInstance,
  type CreateInstanceAttrs,
  type InstanceCapability,
  type InstanceType,
  type LifecycleStatus,
  toInstanceTypeId,
} from '../../domain/provider.js';
import { redact } from '../../redact.js';
import { pendingInstance } from '../pending-instance.js';
import { toText, toUserData } from '../user-data.js';
import type { LambdaInstance, LambdaInstanceType, LambdaLaunchBody, LambdaOffering } from './client.js';
import { identityOf, TAG, TAG_LIMITS } from './identity.js';

/** Their words and ours; a word that is not here is `pending`, and quoted. */
export const STATUS: Readonly<Record<string, LifecycleStatus>> = {
  booting: 'pending',
  active: 'running',
  unhealthy: 'running', // its host cannot be reached for now: SSH will tell
  terminating: 'terminating',
  terminated: 'terminated',
  preempted: 'terminated', // inferred
  error: 'failed', // of older versions
};

/** These say more than the status they become. */
const TELLING: ReadonlySet<string> = new Set(['unhealthy', 'preempted', 'error']);

const CAPABILITIES: InstanceCapability[] = ['reboot-instance'];
const SSH_USER = 'ubuntu';
const NAME_LENGTH = 64;
const USER_DATA_BYTES = 1_000_000;

/** What the adapter knows that no answer says. */
export interface Setting {
  cloudCredRefId: CloudCredRefId;
  sshPort: number;
}

export function toCloudInstance(lambda: LambdaInstance, { cloudCredRefId, sshPort }: Setting): CloudInstance {
  const identity = identityOf(lambda, cloudCredRefId);
  const location = lambda.region?.name ?? '';
  const instanceType = lambda.instance_type?.name ?? '';
  const { name, tags } = readTags(lambda);
  return {
    cloudId: lambda.id,
    ...(identity.refId && { refId: identity.refId }),
    ...(identity.cloudCredRefId && { cloudCredRefId: identity.cloudCredRefId }),
    ...(identity.attemptKey && { attemptKey: identity.attemptKey }),
    name,
    ...toStatus(lambda),
    location,
    instanceType,
    instanceTypeId: toInstanceTypeId(location, undefined, instanceType),
    ...(lambda.ip && { publicAddress: lambda.ip }),
    ...(lambda.private_ip && { privateAddress: lambda.private_ip }),
    sshUser: SSH_USER,
    sshPort,
    createdAt: toTime(identity.createdAt),
    tags,
    capabilities: toCapabilities(lambda),
    ...toPrice(lambda.instance_type),
  };
}

/** A launch answers with an id alone; the rest is what we asked for. */
export function toPendingInstance(
  attrs: CreateInstanceAttrs,
  cloudId: string,
  createdAt: IsoTime,
  { sshPort }: Setting,
): CloudInstance {
  return pendingInstance(attrs, {
    cloudId,
    instanceTypeId: toInstanceTypeId(attrs.location, undefined, attrs.instanceType),
    sshUser: SSH_USER,
    sshPort,
    createdAt,
    capabilities: CAPABILITIES,
  });
}

/** The key that goes by name, and the launch besides. */
export interface Launch {
  publicKey: string;
  body: Omit<LambdaLaunchBody, 'ssh_key_names'>;
  /** What of it no error may echo. */
  conceal: (string | undefined)[];
}

/** @throws {TypeError | RulesRefusedError} naming what Lambda cannot express. Nothing is dropped. */
export function toLaunch(attrs: CreateInstanceAttrs, createdAt: IsoTime): Launch {
  const { name, location, instanceType, imageId, firewallRules, userDataBase64 } = attrs;
  // The user's and ours may be the same. A launch takes one key: the others come with cloud-init.
  const [publicKey, ...others] = new Set(attrs.publicKeys);
  if (publicKey === undefined) throw new TypeError('publicKeys must have at least one key');
  const cloudConfig = renderCloudConfig(firewallRules, { publicKeys: others });
  const callers = userDataBase64 === undefined ? undefined : toText(userDataBase64);
  const userData = toUserData({ cloudConfig, callers });
  if (Buffer.byteLength(userData) > USER_DATA_BYTES) throw new TypeError('userDataBase64 is too long for Lambda: 1 MB');
  return {
    publicKey,
    body: {
      region_name: location,
      instance_type_name: instanceType,
      name: [...name].slice(0, NAME_LENGTH).join(''),
      ...(imageId !== undefined && { image: toImage(imageId) }),
      user_data: userData,
      tags: toTags(attrs, createdAt),
    },
    conceal: [userDataBase64, callers],
  };
}

/** Ids are UUIDs, or 32 hex digits in older answers; any other word is a family: `lambda-stack-24-04`. */
function toImage(imageId: string): { id: string } | { family: string } {
  return /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i.test(imageId) ? { id: imageId } : { family: imageId };
}

function toTags(attrs: CreateInstanceAttrs, createdAt: IsoTime): { key: string; value: string }[] {
  const { refId, cloudCredRefId, attemptKey, name } = attrs;
  const pieces = [...name].length > NAME_LENGTH ? cut(name, TAG_LIMITS.valueLength) : [];
  const entries = Object.entries(attrs.tags);
  const odd = entries.filter(([key]) => !fitsAsKey(key));
  return [
    [TAG.refId, refId],
    [TAG.cloudCredRefId, cloudCredRefId],
    [TAG.attemptKey, attemptKey],
    [TAG.createdAt, createdAt],
    ...pieces.map((piece, index) => [`${TAG.name}${index + 1}`, piece]),
    ...entries.filter(([key]) => fitsAsKey(key)).map(([key, value]) => [key, short(value, key)]),
    ...odd.map(([key, value], index) => [`${TAG.odd}${index + 1}`, short(`${key}=${value}`, key)]),
  ].map(([key = '', value = '']) => ({ key, value }));
}

function fitsAsKey(key: string): boolean {
  return TAG_LIMITS.key.test(key) && key.length <= TAG_LIMITS.keyLength && !key.startsWith('slipway');
}

function short(value: string, key: string): string {
  if (value.length <= TAG_LIMITS.valueLength) return value;
  const why = fitsAsKey(key) ? '' : '; the key is no tag key of Lambda’s, and counts as well';
  throw new TypeError(`tags.${key} is too long for Lambda: ${TAG_LIMITS.valueLength} characters${why}`);
}

function cut(text: string, length: number): string[] {
  const characters = [...text];
  const pieces: string[] = [];
  // Characters outside the BMP count twice in a string's length.
  while (characters.length > 0) pieces.push(characters.splice(0, length / 2).join(''));
  return pieces;
}

const OURS = /^slipway:(?:ref-id|cloud-cred-ref-id|attempt|created-at|name-\d+|tag-\d+)$/;

function readTags(lambda: LambdaInstance): { name: string; tags: Record<string, string> } {
  const numbered = (prefix: string): string[] =>
    lambda.tags
      .filter(({ key }) => key.startsWith(prefix))
      .sort((a, b) => Number(a.key.slice(prefix.length)) - Number(b.key.slice(prefix.length)))
      .map(({ value }) => value);
  const plain = lambda.tags.filter(({ key }) => !OURS.test(key)).map(({ key, value }) => [key, value] as const);
  const odd = numbered(TAG.odd)
    .filter((pair) => pair.includes('='))
    .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const);
  return { name: numbered(TAG.name).join('') || (lambda.name ?? ''), tags: Object.fromEntries([...plain, ...odd]) };
}

/** `vm-is-too-old` lasts; the other reasons are about this moment, and do not take the capability away. */
function toCapabilities({ actions }: LambdaInstance): InstanceCapability[] {
  return actions?.restart?.reason_code === 'vm-is-too-old' ? [] : CAPABILITIES;
}

function toStatus({ status = '' }: LambdaInstance): { status: LifecycleStatus; statusMessage?: string } {
  const known = Object.hasOwn(STATUS, status) ? STATUS[status] : undefined;
  if (known) return { status: known, ...(TELLING.has(status) && { statusMessage: status }) };
  const word = JSON.stringify(status.slice(0, 100));
  return { status: 'pending', statusMessage: redact(`status word not known to Slipway: ${word}`) };
}

/** A machine whose tags are not shown was made nobody knows when: the epoch, so that it counts as old. */
function toTime(text: string | undefined): IsoTime {
  const at = Date.parse(text ?? '');
  return new Date(Number.isNaN(at) ? 0 : at).toISOString();
}

/** One type at every region; available where there is capacity now. */
export function toInstanceTypes(offering: LambdaOffering, regions: readonly string[]): InstanceType[] {
  const { instance_type: type, regions_with_capacity_available: available } = offering;
  const free = new Set(available.map(({ name }) => name));
  const { vcpus, memory_gib: memory } = type.specs;
  return [...new Set([...regions, ...free])].map((location) => ({
    id: toInstanceTypeId(location, undefined, type.name),
    instanceType: type.name,
    location,
    isAvailable: free.has(location),
    ...toPrice(type),
    gpus: toGpus(type),
    ...(vcpus && { vcpu: vcpus }),
    ...(memory && { memory: { value: memory, unit: 'GiB' as const } }),
    architecture: toArchitecture(type.name),
    capabilities: CAPABILITIES,
  }));
}

/** Integer cents for the whole machine. */
function toPrice(type: LambdaInstanceType | undefined): { pricePerHour?: Money } {
  const cents = type?.price_cents_per_hour;
  return cents === undefined ? {} : { pricePerHour: fromMicros(cents * 10_000, 'USD') };
}

/** From `A100 (80 GB SXM4)`, or `8x A100 (80 GB SXM4)`. The memory is of one GPU, in decimal GB. */
export function toGpus({
  description = '',
  gpu_description: gpu = '',
  specs,
}: LambdaInstanceType): InstanceType['gpus'] {
  const [, times, model = '', gigabytes] =
    [gpu, description].map((text) => GPU.exec(text)).find((match) => match !== null) ?? [];
  const count = specs.gpus ?? Number(times ?? 0);
  if (count < 1 || model === '' || /\bCPU\b/i.test(`${description} ${gpu}`)) return [];
  const memoryPerGpu =
    gigabytes === undefined ? {} : { memoryPerGpu: { value: Number(gigabytes), unit: 'GB' as const } };
  const { name = model } = normaliseGpu(model, { ...(gigabytes !== undefined && { memoryGb: Number(gigabytes) }) });
  return [{ name, count, ...memoryPerGpu }];
}

const GPU = /^(?:(\d+)x )?(\w[\w .-]*?)(?: \((\d+) GB[^)]*\))?$/;

/** Inferred from the name: Grace is arm64. `images` would tell, for one more call. */
function toArchitecture(name: string): InstanceType['architecture'] {
  return /_g[hb]\d{3}/.test(name) ? 'arm64' : 'x86_64';
}
