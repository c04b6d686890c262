import { createHash } from 'node:crypto';
import type { ImageSpec, InstanceTypeSpec, LocationSpec } from '../catalog.js';
import { type MachineRecord, type MachineStatus, type Size, toBytes } from '../types.js';
import { type Group, tagsXml, VPC_ID } from './aws-groups.js';
import type { Xml } from './aws-query.js';

/** How EC2 shows what there is. Nothing here decides. */

const STATE: Record<MachineStatus, { code: number; name: string }> = {
  pending: { code: 0, name: 'pending' },
  running: { code: 16, name: 'running' },
  terminating: { code: 32, name: 'shutting-down' },
  terminated: { code: 48, name: 'terminated' },
  stopping: { code: 64, name: 'stopping' },
  stopped: { code: 80, name: 'stopped' },
  /** There is no word for it: what broke inside is stopped, and the reason says why. */
  failed: { code: 80, name: 'stopped' },
};

export function instanceXml(record: MachineRecord, type: InstanceTypeSpec, groups: readonly Group[]): Xml {
  const { id, status, instanceType, createdAt, address, privateAddress, bootedAt, tags, clientToken } = record;
  const isUp = bootedAt !== undefined && (status === 'running' || status === 'failed');
  const isGone = status === 'terminated';
  const groupSet = groups.map((group) => ({ groupId: group.id, groupName: group.name }));
  return {
    instanceId: id,
    imageId: toAmiId(record.imageId),
    instanceState: STATE[status],
    privateDnsName: isGone ? '' : `ip-${privateAddress.replaceAll('.', '-')}.ec2.internal`,
    // Empty instead of absent, as EC2 has it.
    dnsName: isUp ? `ec2-${address.replaceAll('.', '-')}.compute.amazonaws.com` : '',
    amiLaunchIndex: 0,
    productCodes: [],
    instanceType,
    // Of the last start, not of the creation.
    launchTime: new Date(bootedAt ?? createdAt).toISOString(),
    placement: { availabilityZone: zoneOf(record), groupName: '', tenancy: 'default' },
    monitoring: { state: 'disabled' },
    ...(isGone ? {} : { subnetId: 'subnet-00000000000000001', vpcId: VPC_ID, privateIpAddress: privateAddress }),
    ...(isUp && { ipAddress: address }),
    sourceDestCheck: true,
    groupSet: isGone ? [] : groupSet,
    ...(reasonOf(record) && { stateReason: reasonOf(record) }),
    architecture: type.architecture,
    rootDeviceType: 'ebs',
    rootDeviceName: ROOT,
    blockDeviceMapping: isGone
      ? []
      : [{ deviceName: ROOT, ebs: { volumeId: toVolumeId(id), status: 'attached', deleteOnTermination: true } }],
    virtualizationType: 'hvm',
    clientToken: clientToken ?? '',
    tagSet: tagsXml(tags),
    hypervisor: 'xen',
    ebsOptimized: false,
  };
}

function reasonOf({ status, statusMessage }: MachineRecord): { code: string; message: string } | undefined {
  if (status === 'pending') return { code: 'pending', message: 'pending' };
  if (status === 'failed') {
    return { code: 'Server.InternalError', message: `Server.InternalError: ${statusMessage ?? 'Internal error'}` };
  }
  if (status === 'running') return undefined;
  const code = statusMessage === undefined ? 'Client.UserInitiatedShutdown' : 'Server.ScheduledStop';
  return { code, message: `${code}: ${statusMessage ?? 'User initiated shutdown'}` };
}

export function stateChangeXml(id: string, before: MachineStatus, after: MachineStatus): Xml {
  return { instanceId: id, currentState: STATE[after], previousState: STATE[before] };
}

/** A location without a sub-location has one zone all the same. */
export function zoneOf({ location, subLocation }: Pick<MachineRecord, 'location' | 'subLocation'>): string {
  return subLocation ?? `${location}a`;
}

export function zoneOfLocation({ name, subLocation }: LocationSpec): string {
  return zoneOf({ location: name, subLocation });
}

const ROOT = '/dev/sda1';

export function toVolumeId(machineId: string): string {
  return `vol-${machineId.slice('i-'.length)}`;
}

export function toMachineId(volumeId: string): string {
  return `i-${volumeId.slice('vol-'.length)}`;
}

export function toAmiId(imageId: string): string {
  return `ami-${createHash('sha256').update(imageId).digest('hex').slice(0, 17)}`;
}

/** Under the name that AWS gives its own Ubuntu with the NVIDIA driver. */
export function imageXml({ id, name, description, architecture, createdAt }: ImageSpec): Xml {
  return {
    imageId: toAmiId(id),
    imageState: 'available',
    imageOwnerId: '898082745236',
    imageOwnerAlias: 'amazon',
    isPublic: true,
    architecture,
    imageType: 'machine',
    name: imageName({ name, architecture, createdAt }),
    description,
    creationDate: createdAt,
    rootDeviceType: 'ebs',
    rootDeviceName: ROOT,
    // A careless image: its disk would outlive the machine.
    blockDeviceMapping: [
      { deviceName: ROOT, ebs: { snapshotId: 'snap-1', volumeSize: 65, deleteOnTermination: false } },
    ],
    virtualizationType: 'hvm',
  };
}

export function imageName({ name, architecture, createdAt }: Pick<ImageSpec, 'name' | 'architecture' | 'createdAt'>) {
  const release = /Ubuntu \d\d\.\d\d/.exec(name)?.[0] ?? name;
  const prefix = architecture === 'arm64' ? 'Deep Learning ARM64 Base' : 'Deep Learning Base';
  return `${prefix} OSS Nvidia Driver GPU AMI (${release}) ${createdAt.slice(0, 10).replaceAll('-', '')}`;
}

export function typeXml({ name, architecture, vcpu, memory, gpu }: InstanceTypeSpec): Xml {
  return {
    instanceType: name,
    currentGeneration: true,
    supportedRootDeviceTypes: ['ebs'],
    supportedVirtualizationTypes: ['hvm'],
    processorInfo: { supportedArchitectures: [architecture] },
    vCpuInfo: { defaultVCpus: vcpu },
    memoryInfo: { sizeInMiB: toMib(memory) },
    ...(gpu && {
      gpuInfo: {
        gpus: [
          {
            name: gpu.name,
            manufacturer: gpu.manufacturer,
            count: gpu.count,
            memoryInfo: { sizeInMiB: toMib(gpu.memory) },
          },
        ],
        totalGpuMemoryInMiB: toMib(gpu.memory) * gpu.count,
      },
    }),
  };
}

function toMib(size: Size): number {
  return Math.round(toBytes(size) / 2 ** 20);
}
