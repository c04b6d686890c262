import type { InstanceTypeSpec, LocationSpec } from '../catalog.js';
import type { Offer } from '../cloud.js';
import { type CloudError, REFUSALS, type RefusalCode } from '../errors.js';
import type { GrpcAnswer } from '../grpc.js';
import type { MachineRecord, MachineStatus } from '../types.js';
import type { ShelfDisk, ShelfOperation } from './nebius-account.js';
import { encode, toAny } from './nebius-proto.js';

/** How Nebius says it. Nothing here decides. */

/** Every account's. */
export const TENANT = 'tenant-e00simcloud';

export function projectIdOf(location: string): string {
  return `project-e00${location.replaceAll(/[^a-z0-9]/g, '')}`;
}

export function subnetIdOf(location: string): string {
  return `vpcsubnet-e00${location.replaceAll(/[^a-z0-9]/g, '')}`;
}

export function toProject({ name }: LocationSpec) {
  const metadata = { id: projectIdOf(name), parent_id: TENANT, name: `default-project-${name}` };
  return { metadata, spec: { region: name }, status: { region: name } };
}

export function toSubnet({ name }: LocationSpec) {
  return { metadata: { id: subnetIdOf(name), parent_id: projectIdOf(name), name: `default-subnet-${name}` } };
}

const STATES: Record<MachineStatus, string> = {
  pending: 'CREATING',
  running: 'RUNNING',
  stopping: 'STOPPING',
  stopped: 'STOPPED',
  terminating: 'DELETING',
  terminated: 'DELETING', // shown to nobody
  failed: 'ERROR',
};

export function toInstance(record: MachineRecord, type: InstanceTypeSpec) {
  const { id, name, tags, location, status, bootedAt, address, privateAddress, createdAt } = record;
  const isStarting = status === 'pending' && bootedAt !== undefined;
  return {
    metadata: {
      id,
      parent_id: projectIdOf(location),
      name,
      created_at: toTime(createdAt),
      labels: tags,
    },
    spec: { resources: toResources(type) },
    status: {
      state: isStarting ? 'STARTING' : STATES[status],
      reconciling: ['pending', 'stopping', 'terminating'].includes(status),
      network_interfaces: [
        bootedAt === undefined
          ? {}
          : { ip_address: { address: `${privateAddress}/32` }, public_ip_address: { address: `${address}/32` } },
      ],
    },
  };
}

export function toDisk({ id, projectId, name, labels, gibibytes, createdAt, managedBy }: ShelfDisk) {
  return {
    metadata: { id, parent_id: projectId, name, labels, created_at: toTime(createdAt) },
    spec: { size_gibibytes: gibibytes, type: 'NETWORK_SSD' },
    status: { state: 'READY', ...(managedBy && { read_write_attachment: managedBy, managed_by: managedBy }) },
  };
}

/** Without a status it is still under way. */
export function toOperation({ id, resourceId, createdAt }: ShelfOperation, status: object | undefined) {
  return { id, resource_id: resourceId, created_at: toTime(createdAt), ...(status && { status }) };
}

/** `gpu_8x_h100_sxm5` is a preset of `gpu-h100-sxm5`. */
export function toResources(type: InstanceTypeSpec): { platform: string; preset: string } {
  const { name, gpu, vcpu, memory } = type;
  const platform = name.replace(/_\d+x_/, '_').replaceAll('_', '-');
  return { platform, preset: `${gpu ? `${gpu.count}gpu-` : ''}${vcpu}vcpu-${memory.value}gb` };
}

export function typeOfResources(
  types: readonly InstanceTypeSpec[],
  { platform, preset }: { platform?: string; preset?: string },
): InstanceTypeSpec | undefined {
  return types.find((type) => {
    const its = toResources(type);
    return its.platform === platform && its.preset === preset;
  });
}

/** The types of one region, by their platform. */
export function toPlatforms(types: readonly InstanceTypeSpec[], location: string) {
  const platforms = new Map<string, InstanceTypeSpec[]>();
  for (const type of types) {
    const { platform } = toResources(type);
    platforms.set(platform, [...(platforms.get(platform) ?? []), type]);
  }
  return [...platforms].map(([name, presets]) => ({
    metadata: { id: `computeplatform-${name}`, parent_id: projectIdOf(location), name },
    spec: {
      presets: presets.map((type) => ({
        name: toResources(type).preset,
        resources: { vcpu_count: type.vcpu, memory_gibibytes: type.memory.value, gpu_count: type.gpu?.count ?? 0 },
      })),
      ...(presets[0]?.gpu && { gpu_count_quota_type: gpuQuotaOf(presets[0]) }),
      allow_preset_change: true,
      gpu_memory_gigabytes: presets[0]?.gpu?.memory.value ?? 0,
    },
    status: { allowed_for_preemptibles: false },
  }));
}

export function gpuQuotaOf({ gpu }: InstanceTypeSpec): string {
  return `compute.instance.gpu.${gpu?.name.toLowerCase()}`;
}

/** Only of types with GPUs: others are said to be limited by quotas alone. */
export function toAdvice({ type, location, available }: Offer) {
  const { platform, preset } = toResources(type);
  return {
    metadata: { parent_id: TENANT },
    spec: { region: location.name, fabric: 'fabric-1', compute_instance: { platform, preset: { name: preset } } },
    status: {
      on_demand: {
        data_state: 'DATA_STATE_FRESH',
        available: available ? 8 : 0,
        availability_level: available ? 'AVAILABILITY_LEVEL_HIGH' : 'AVAILABILITY_LEVEL_LIMIT_REACHED',
      },
    },
  };
}

export function toTime(epochMs: number): { seconds: number; nanos: number } {
  return { seconds: Math.floor(epochMs / 1_000), nanos: (epochMs % 1_000) * 1_000_000 };
}

interface Refusal {
  /** Of gRPC. */
  code: number;
  detail?: (error: CloudError) => Record<string, object>;
}

const byMessage = ({ message }: CloudError) => ({ message });

const REFUSED: Record<RefusalCode, Refusal> = {
  'auth.invalid_key': { code: 16 },
  'auth.forbidden': { code: 7, detail: () => ({ permission_denied: {} }) },
  'quota.exceeded': { code: 8, detail: (error) => ({ quota_failure: { violations: [byMessage(error)] } }) },
  'capacity.out_of_stock': {
    code: 8,
    detail: (error) => ({ not_enough_resources: { violations: [byMessage(error)] } }),
  },
  'instance.not_found': { code: 5, detail: () => ({ resource_not_found: {} }) },
  'resource.not_found': { code: 5, detail: () => ({ resource_not_found: {} }) },
  'image.not_found': { code: 5, detail: () => ({ resource_not_found: {} }) },
  'request.invalid': {
    code: 3,
    detail: ({ message, details }) => ({ bad_request: { violations: [{ field: details.field ?? '', message }] } }),
  },
  'rate.limited': { code: 8, detail: () => ({ too_many_requests: { violation: 'requests per second' } }) },
  internal: { code: 13, detail: () => ({ internal_error: {} }) },
  unavailable: { code: 14 },
  'instance.wrong_state': { code: 9, detail: (error) => ({ bad_resource_state: byMessage(error) }) },
  'instance.busy': { code: 9, detail: () => ({ operation_conflict: {} }) },
  'firewall.duplicate_rule': { code: 6, detail: () => ({ resource_already_exists: {} }) },
};

/** `google.rpc.Status`, with the vendor's own words in its details. */
export function toStatus(error: CloudError): { code: number; message: string; details: object[] } {
  const { code, detail } = REFUSED[error.code];
  const { retryAfterSeconds: seconds } = error.details;
  const details = [
    ...(detail ? [toAny('nebius.common.v1.ServiceError', { service: 'compute', ...detail(error) })] : []),
    ...(seconds === undefined ? [] : [toAny('google.rpc.RetryInfo', { retry_delay: { seconds } })]),
  ];
  return { code, message: error.message, details };
}

/** A name that is taken: the core knows no such thing. */
export function nameTaken(resourceId: string): { code: number; message: string; details: object[] } {
  const detail = { service: 'compute', resource_already_exists: { resource_id: resourceId } };
  return { code: 6, message: 'the name is taken', details: [toAny('nebius.common.v1.ServiceError', detail)] };
}

export function toStatusAnswer(status: { code: number; message: string }, httpStatus: number): GrpcAnswer {
  const details = encode('google.rpc.Status', status);
  return { type: 'status', code: status.code, message: status.message, details, httpStatus };
}

export function toRefusalAnswer(error: CloudError): GrpcAnswer {
  return toStatusAnswer(toStatus(error), REFUSALS[error.code]);
}
