import type { ImageSpec, InstanceTypeSpec, LocationSpec } from '../catalog.js';
import type { Offer } from '../cloud.js';
import type { CloudError, RefusalCode } from '../errors.js';
import type { Operation } from '../fault-kinds.js';
import type { MachineRecord, MachineStatus } from '../types.js';

/** How Lambda says it. Nothing here decides. */

const STATUS: Record<MachineStatus, string> = {
  pending: 'booting',
  running: 'active',
  stopping: 'terminating',
  stopped: 'preempted',
  terminating: 'terminating',
  terminated: 'terminated',
  failed: 'error', // of older versions, and the only word there is for it
};

interface Seen {
  type: InstanceTypeSpec;
  location: LocationSpec | undefined;
  keyName: string | undefined;
  isPreempted: boolean;
}

export function toInstance(record: MachineRecord, { type, location, keyName, isPreempted }: Seen) {
  const { id, name, address, privateAddress, bootedAt, status } = record;
  const hasAddress = bootedAt !== undefined && status !== 'terminated';
  return {
    id,
    ...(name !== '' && { name }),
    ...(hasAddress && {
      ip: address,
      private_ip: privateAddress,
      hostname: `ip-${privateAddress.replaceAll('.', '-')}`,
    }),
    status: isPreempted ? 'preempted' : STATUS[status],
    ssh_key_names: keyName === undefined ? [] : [keyName],
    file_system_names: [],
    region: location ? toRegion(location) : { name: record.location, description: '' },
    instance_type: toType(type),
    ...(hasAddress && {
      jupyter_token: `jupyter-secret-of-${id}`,
      jupyter_url: `https://jupyter.invalid/?token=jupyter-secret-of-${id}`,
    }),
    is_reserved: false,
    actions: toActions(record),
    tags: Object.entries(record.tags).map(([key, value]) => ({ key, value })),
  };
}

const REASONS = {
  'vm-has-not-launched': 'The instance has not launched yet.',
  'vm-is-terminating': 'The instance is terminating.',
  'vm-action-in-progress': 'Another action is in progress.',
} as const;

function toActions({ status, statusMessage }: MachineRecord) {
  const available = { available: true };
  const blocked = (reason: keyof typeof REASONS) => ({
    available: false,
    reason_code: reason,
    reason_description: REASONS[reason],
  });
  const isRebooting = statusMessage === 'rebooting';
  const other =
    status === 'pending'
      ? blocked('vm-has-not-launched')
      : status !== 'running'
        ? blocked('vm-is-terminating')
        : isRebooting
          ? blocked('vm-action-in-progress')
          : available;
  return { migrate: other, rebuild: other, restart: other, cold_reboot: other, terminate: available };
}

export function toRegion({ name, description }: LocationSpec) {
  return { name, description };
}

function toType({ name, description, gpu, vcpu, memory, pricePerHour }: InstanceTypeSpec) {
  return {
    name,
    description,
    gpu_description: gpu ? description.replace(/^\d+x /, '') : 'N/A',
    price_cents_per_hour: Math.round(Number(pricePerHour.amount) * 100),
    specs: { vcpus: vcpu, memory_gib: memory.value, storage_gib: 512, gpus: gpu?.count ?? 0 },
  };
}

/** A map from a type's name; regions without capacity are left out. */
export function toInstanceTypes(offers: readonly Offer[]) {
  const types = [...new Map(offers.map(({ type }) => [type.name, type])).values()];
  return Object.fromEntries(
    types.map((type) => {
      const regions = offers.filter((offer) => offer.type.name === type.name && offer.available);
      const available = regions.map(({ location }) => toRegion(location));
      return [type.name, { instance_type: toType(type), regions_with_capacity_available: available }];
    }),
  );
}

export function toImage({ id, name, description, architecture, createdAt }: ImageSpec, location: LocationSpec) {
  const [, version = '1'] = /(\d+\.\d+)/.exec(id) ?? [];
  return {
    id,
    created_time: createdAt,
    updated_time: createdAt,
    name,
    description,
    family: id,
    version,
    architecture,
    region: toRegion(location),
  };
}

interface Refusal {
  status: number;
  code: string;
  message: string;
  suggestion?: string;
}

const REFUSALS: Record<Exclude<RefusalCode, 'rate.limited'>, Refusal> = {
  'auth.invalid_key': {
    status: 401,
    code: 'global/invalid-api-key',
    message: 'API key was invalid, expired, or deleted.',
    suggestion: 'Check your API key or create a new one, then try again.',
  },
  'auth.forbidden': {
    status: 403,
    code: 'global/account-inactive',
    message: 'Your account is inactive.',
    suggestion: 'Make sure you have verified your email address and have a valid payment method.',
  },
  'quota.exceeded': {
    status: 400,
    code: 'global/quota-exceeded',
    message: 'Quota exceeded.',
    suggestion: 'Contact Support to increase your quota.',
  },
  'capacity.out_of_stock': {
    status: 400,
    code: 'instance-operations/launch/insufficient-capacity',
    message: 'Not enough capacity to fulfill launch request.',
  },
  'instance.not_found': {
    status: 404,
    code: 'global/object-does-not-exist',
    message: 'Specified instance does not exist.',
  },
  'resource.not_found': { status: 404, code: 'global/not-found', message: 'The requested resource was not found.' },
  'image.not_found': {
    status: 404,
    code: 'global/object-does-not-exist',
    message: 'Image does not exist.',
    suggestion: 'Choose another image.',
  },
  'request.invalid': { status: 400, code: 'global/invalid-parameters', message: 'Invalid request data.' },
  internal: {
    status: 500,
    code: 'global/internal-error',
    message: 'An internal server error occurred.',
    suggestion: 'Try again later. Contact Support if the problem persists.',
  },
  unavailable: {
    status: 503,
    code: 'provider/internal-unavailable',
    message: 'Provider unavailable',
    suggestion: 'Try again shortly',
  },
  'instance.wrong_state': {
    status: 409,
    code: 'global/conflict',
    message: 'The request conflicts with the current state of the resource.',
  },
  'instance.busy': {
    status: 409,
    code: 'global/conflict',
    message: 'The request conflicts with the current state of the resource.',
  },
  'firewall.duplicate_rule': { status: 400, code: 'global/duplicate', message: 'An equal rule exists.' },
};

/** Over the limit Cloudflare answers, not Lambda. */
const BANNED =
  '<!DOCTYPE html><html><head><title>Access denied | cloud.lambda.ai used Cloudflare to restrict access</title></head>' +
  '<body><h1>Error 1015</h1><p>You are being rate limited. The owner of this website has banned you temporarily.</p></body></html>';

export function toRefusal({ code, message }: CloudError, operation: Operation) {
  if (code === 'rate.limited') return { status: 429, body: BANNED, contentType: 'text/html; charset=UTF-8' };
  const isUnknownToLaunch = operation === 'create' && code === 'resource.not_found';
  const { status, ...said } = isUnknownToLaunch
    ? { status: 404, code: 'global/object-does-not-exist', message, suggestion: 'Check the request.' }
    : REFUSALS[code];
  return { status, body: { error: said } };
}
