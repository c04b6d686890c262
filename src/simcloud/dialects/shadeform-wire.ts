import { randomUUID } from 'node:crypto';
import type { InstanceTypeSpec } from '../catalog.js';
import type { Offer } from '../cloud.js';
import type { CloudError, RefusalCode } from '../errors.js';
import type { MachineRecord, MachineStatus, Size } from '../types.js';

/** How Shadeform says it. Nothing here decides. */

/** The one cloud that this broker sells. */
export const CLOUD = 'simcloud';

/** There is no word for a stopped machine: one that the cloud behind took back is an error. */
const STATUS: Record<MachineStatus, string> = {
  pending: 'pending',
  running: 'active',
  stopping: 'error',
  stopped: 'error',
  terminating: 'deleting',
  terminated: 'deleted',
  failed: 'error',
};

const NEVER = '0001-01-01T00:00:00Z';

/** As the list has it. Where an address is still missing it is empty, and the port the usual one. */
export function toInstance(record: MachineRecord, type: InstanceTypeSpec) {
  const { id, name, location, instanceType, status, statusMessage, bootedAt, createdAt, address, sshPort } = record;
  const isUp = bootedAt !== undefined;
  return {
    id,
    cloud: CLOUD,
    region: location,
    shade_instance_type: instanceType,
    cloud_instance_type: instanceType,
    cloud_assigned_id: id,
    shade_cloud: true,
    name,
    configuration: { ...toConfiguration(type), os: record.imageId },
    ip: isUp ? address : '',
    ssh_user: record.sshUser,
    ssh_port: isUp ? sshPort : 22,
    status: STATUS[status],
    ...(statusMessage !== undefined && { status_details: statusMessage }),
    cost_estimate: '0.00',
    hourly_price: toCents(type),
    tags: toTagList(record.tags),
    active_at: isUp ? new Date(bootedAt).toISOString() : NEVER,
    created_at: new Date(createdAt).toISOString(),
    deleted_at: NEVER,
  };
}

/** `info` says more than the list. */
export function toInfo(record: MachineRecord, type: InstanceTypeSpec, keyId: string) {
  return { ...toInstance(record, type), volume_ids: [], ssh_key_id: keyId, envs: [] };
}

export function toInstanceType({ type }: Offer, offers: readonly Offer[]) {
  return {
    cloud: CLOUD,
    shade_instance_type: type.name,
    cloud_instance_type: type.name,
    configuration: { ...toConfiguration(type), os_options: ['ubuntu22.04', 'ubuntu24.04'] },
    hourly_price: toCents(type),
    deployment_type: 'vm',
    availability: offers
      .filter((offer) => offer.type.name === type.name)
      .map(({ location, available }) => ({
        region: location.name,
        available,
        display_name: location.description,
      })),
    boot_time: { min_boot_in_sec: 60, max_boot_in_sec: 600 },
  };
}

function toConfiguration({ gpu, vcpu, memory }: InstanceTypeSpec) {
  return {
    memory_in_gb: toGigabytes(memory),
    storage_in_gb: 512,
    vcpus: vcpu,
    num_gpus: gpu?.count ?? 0,
    gpu_type: gpu?.name ?? '',
    interconnect: gpu?.interconnect?.toLowerCase() ?? '',
    nvlink: gpu?.interconnect?.startsWith('SXM') ?? false,
    vram_per_gpu_in_gb: gpu ? toGigabytes(gpu.memory) : 0,
    gpu_manufacturer: gpu ? 'nvidia' : '',
  };
}

/** Shadeform says GB of whatever the cloud behind it has. */
function toGigabytes({ value }: Size): number {
  return Math.round(value);
}

function toCents({ pricePerHour }: InstanceTypeSpec): number {
  return Math.round(Number(pricePerHour.amount) * 100);
}

/** A tag may have no value. */
const REMARK = 'remark:';

/** The core keeps pairs: a tag without `=` goes by a key of its own. */
export function toTagRecord(tags: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    tags.map((tag) => {
      const at = tag.indexOf('=');
      return at < 0 ? [`${REMARK}${tag}`, ''] : [tag.slice(0, at), tag.slice(at + 1)];
    }),
  );
}

function toTagList(tags: Record<string, string>): string[] {
  return Object.entries(tags).map(([key, value]) =>
    key.startsWith(REMARK) ? key.slice(REMARK.length) : `${key}=${value}`,
  );
}

export function newId(): string {
  return randomUUID();
}

/** Only 409 has a documented code. */
const REFUSALS: Record<RefusalCode, { status: number; code?: string }> = {
  'auth.invalid_key': { status: 401 },
  'auth.forbidden': { status: 403 },
  'quota.exceeded': { status: 402 },
  'capacity.out_of_stock': { status: 409, code: 'OUT_OF_STOCK' },
  'instance.not_found': { status: 404 },
  'resource.not_found': { status: 404 },
  'image.not_found': { status: 400 },
  'request.invalid': { status: 400 },
  'rate.limited': { status: 429 },
  internal: { status: 500 },
  unavailable: { status: 503 },
  'instance.wrong_state': { status: 409, code: 'INVALID_STATE' },
  'instance.busy': { status: 409, code: 'INVALID_STATE' },
  'firewall.duplicate_rule': { status: 409, code: 'DUPLICATE' },
};

export function toRefusal({ code, message }: CloudError): { status: number; body: unknown } {
  const { status, code: word } = REFUSALS[code];
  return { status, body: { ...(word && { error_code: word }), error: message } };
}
