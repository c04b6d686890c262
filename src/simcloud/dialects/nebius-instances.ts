import type { Cloud } from '../cloud.js';
import { readUserData } from '../cloud-init.js';
import { CloudError, invalid } from '../errors.js';
import type { Operation } from '../fault-kinds.js';
import type { CallContext, IncomingCall } from '../gate.js';
import { pageNumber } from '../paging.js';
import type { Account, MachineRecord } from '../types.js';
import { addOperation, type ShelfOperation, shelfOf } from './nebius-account.js';
import { addDisk, diskNamed } from './nebius-disks.js';
import type { ById, ByName, CreateInstance, DiskSpec, Paged } from './nebius-requests.js';
import { BY_NAME, busy, NameTaken, type NebiusServices, OPERATION, type Work } from './nebius-services.js';
import { projectIdOf, subnetIdOf, toInstance, toOperation, typeOfResources } from './nebius-wire.js';

/** Machines at Nebius, and the operations on them. An order that is done already is refused. */

const OPERATIONS = 'nebius.common.v1.OperationService';
const USER_DATA_LENGTH = 32_768;
/** Families of images that stand for whatever the catalog has first. */
const FAMILIES = ['ubuntu24.04-cuda13.0', 'ubuntu24.04-driverless'];

export function addInstances(services: NebiusServices): void {
  const { cloud } = services;
  const instances = 'nebius.compute.v1.InstanceService';
  const onMachine = ({ id }: ById) => (id === '' ? {} : { machineId: id });
  const order = (name: string, operation: Operation, work: Work<ById>): void =>
    services.add(`${instances}/${name}`, {
      request: `${name}InstanceRequest`,
      reply: OPERATION,
      operation,
      about: onMachine,
      work,
    });
  services.add<CreateInstance>(`${instances}/Create`, {
    request: 'CreateInstanceRequest',
    reply: OPERATION,
    operation: 'create',
    about: (request) => subjectOf(services, request),
    work: (request, context, key) => services.once(context, key, () => create(services, request, context)),
  });
  services.add<Paged>(`${instances}/List`, {
    request: 'ListInstancesRequest',
    reply: 'ListInstancesResponse',
    operation: 'list',
    about: ({ page_token: token, parent_id: id }) => ({
      page: pageNumber(token),
      location: cloud.locations().find(({ name }) => projectIdOf(name) === id)?.name,
    }),
    work: ({ parent_id, page_size, page_token }, context) => {
      const location = services.locationOf(parent_id).name;
      const pageSize = Math.min(page_size || Number.POSITIVE_INFINITY, cloud.parts.pageSize);
      const page = cloud.list({ location, pageToken: page_token, pageSize }, context);
      const shown = page.items.filter(({ status }) => status !== 'terminated');
      return { items: shown.map((record) => instanceOf(cloud, record)), next_page_token: page.nextPageToken ?? '' };
    },
  });
  services.add<ById>(`${instances}/Get`, {
    request: 'GetInstanceRequest',
    reply: 'Instance',
    operation: 'get',
    about: onMachine,
    work: ({ id }, context) => instanceOf(cloud, alive(cloud, id, context)),
  });
  services.add<ByName>(`${instances}/GetByName`, {
    request: BY_NAME,
    reply: 'Instance',
    operation: 'get',
    about: ({ name }) => ({ name }),
    work: ({ parent_id, name }, { account }) => {
      const id = named(cloud, parent_id, name, account);
      const record = id && cloud.findMachine(id)?.record;
      if (!record) throw new CloudError('instance.not_found', 'there is no instance of this name');
      return instanceOf(cloud, record);
    },
  });
  order('Delete', 'terminate', ({ id }, context) => {
    if (alive(cloud, id, context).status === 'terminating') throw busy(id);
    cloud.terminate(id, context);
    return services.accepted(context, id, 'terminating');
  });
  order('Stop', 'stop', ({ id }, context) => {
    const { status } = alive(cloud, id, context);
    if (status === 'stopping') throw busy(id);
    if (status === 'stopped') throw new CloudError('instance.wrong_state', `${id} is stopped`);
    cloud.stop(id, context);
    return services.accepted(context, id, 'stopping');
  });
  order('Start', 'start', ({ id }, context) => {
    const { status } = alive(cloud, id, context);
    if (status === 'pending') throw busy(id);
    if (status === 'running') throw new CloudError('instance.wrong_state', `${id} is running`);
    cloud.start(id, context);
    return services.accepted(context, id, 'pending');
  });
  services.add<CreateInstance>(`${instances}/Update`, {
    request: 'UpdateInstanceRequest',
    reply: OPERATION,
    operation: ({ spec }) => (spec?.resources ? 'change-type' : 'tags'),
    about: ({ metadata }) => (metadata?.id ? { machineId: metadata.id } : {}),
    work: (request, context) => update(services, request, context),
  });
  services.add<ById>(`${OPERATIONS}/Get`, {
    request: 'GetOperationRequest',
    reply: OPERATION,
    operation: 'other',
    about: ({ id }) => ({ key: id }),
    work: ({ id }, { account }) => {
      const operation = shelfOf(cloud, account).operations.find((one) => one.id === id);
      if (!operation) throw new CloudError('resource.not_found', 'there is no such operation');
      return services.toOperation(operation);
    },
  });
  services.add<{ resource_id: string }>(`${OPERATIONS}/List`, {
    request: 'ListOperationsRequest',
    reply: 'ListOperationsResponse',
    operation: 'other',
    about: ({ resource_id: id }) => ({ machineId: id }),
    work: ({ resource_id: id }, { account }) => {
      const all = shelfOf(cloud, account).operations.filter(({ resourceId }) => resourceId === id);
      return { operations: all.map((one) => services.toOperation(one)) };
    },
  });
}

async function create(
  services: NebiusServices,
  { metadata, spec }: CreateInstance,
  context: CallContext,
): Promise<ShelfOperation> {
  const { cloud } = services;
  const { parent_id: projectId = '', name = '', labels = {} } = metadata ?? {};
  const location = services.locationOf(projectId).name;
  if (name === '') invalid('metadata.name', 'must be set');
  const taken = named(cloud, projectId, name, context.account);
  if (taken) throw new NameTaken(taken);
  const type = services.typeOf({ metadata, spec });
  const [nic, ...more] = spec?.network_interfaces ?? [];
  if (!nic || more.length > 7) invalid('spec.network_interfaces', 'from 1 to 8');
  if (nic.subnet_id !== subnetIdOf(location)) throw new CloudError('resource.not_found', 'there is no such subnet');
  if (!/^[0-9a-z][0-9a-z-]*$/.test(nic.name)) invalid('spec.network_interfaces.0.name', 'not a name');
  const disk = spec?.boot_disk?.managed_disk;
  if (!disk || spec?.boot_disk?.attach_mode !== 'READ_WRITE') invalid('spec.boot_disk', 'must be a READ_WRITE disk');
  if (!/^[0-9a-z][0-9a-z-]{0,62}$/.test(disk.name)) invalid('spec.boot_disk.managed_disk.name', 'not a name');
  const takenByDisk = diskNamed(cloud, projectId, disk.name, context.account);
  if (takenByDisk) throw new NameTaken(takenByDisk);
  const gibibytes = disk.spec?.size_gibibytes ?? 0;
  if (gibibytes < 1) invalid('spec.boot_disk.managed_disk.spec.size', 'must be set');
  const userData = spec?.cloud_init_user_data ?? '';
  if ([...userData].length > USER_DATA_LENGTH) invalid('spec.cloud_init_user_data', 'is too long');
  const boot = readUserData(userData);
  const everything = { ingressRules: [{ fromPort: 1, toPort: 65_535 }] };
  const record = await cloud.create(
    {
      name,
      location,
      instanceType: type.name,
      ...toImage(disk.spec ?? {}),
      diskSize: { value: gibibytes, unit: 'GiB' },
      publicKeys: boot.publicKeys,
      tags: labels,
      userDataBase64: Buffer.from(userData).toString('base64'),
      firewallRules: boot.firewall ?? everything,
    },
    context,
  );
  addDisk(cloud, { projectId, name: disk.name, labels: disk.labels, gibibytes, managedBy: record.id }, context.account);
  const { id: resourceId, createdAt } = record;
  return addOperation(cloud, context.account, { resourceId, createdAt, awaits: 'pending' });
}

/** Only what was sent: a field at its default stays. A map is replaced. */
function update(services: NebiusServices, { metadata, spec }: CreateInstance, context: CallContext): object {
  const { cloud } = services;
  const id = metadata?.id ?? '';
  const { location } = alive(cloud, id, context);
  if (spec?.resources) {
    const type = services.typeOf({ metadata: { id, parent_id: projectIdOf(location), name: '', labels: {} }, spec });
    cloud.changeInstanceType(id, type.name, context);
  }
  const labels = metadata?.labels ?? {};
  if (Object.keys(labels).length > 0) cloud.setTags(id, labels, context);
  return toOperation(addOperation(cloud, context.account, { resourceId: id }), {});
}

function instanceOf(cloud: Cloud, record: MachineRecord) {
  return toInstance(record, cloud.typeOf(record));
}

function alive(cloud: Cloud, id: string, context: CallContext): MachineRecord {
  const record = cloud.get(id, context);
  if (record.status === 'terminated') throw new CloudError('instance.not_found', 'there is no such instance');
  return record;
}

/** The id of the machine that has the name, one on its way out too. */
function named(cloud: Cloud, projectId: string, name: string, account: Account): string | undefined {
  const operations = shelfOf(cloud, account).operations.toReversed();
  const ids = [...new Set(operations.map(({ resourceId }) => resourceId))];
  return ids.find((id) => {
    const record = cloud.findMachine(id)?.record;
    const isHere = record !== undefined && projectIdOf(record.location) === projectId;
    return isHere && record.name === name && record.status !== 'terminated';
  });
}

function subjectOf({ cloud }: NebiusServices, { metadata, spec }: CreateInstance): IncomingCall['about'] {
  const { labels: tags = {}, name, parent_id: projectId } = metadata ?? {};
  const location = cloud.locations().find((one) => projectIdOf(one.name) === projectId)?.name;
  const instanceType = typeOfResources(cloud.parts.catalog.instanceTypes, spec?.resources ?? {})?.name;
  return { key: tags[cloud.parts.ledger.refIdTag] ?? name, tags, name, location, instanceType };
}

function toImage({ source_image_id: id, source_image_family: family }: DiskSpec): { imageId?: string } {
  const name = id || family?.image_family;
  if (name === undefined) return invalid('spec.boot_disk.managed_disk.spec.source', 'must be set');
  return FAMILIES.includes(name) ? {} : { imageId: name };
}
