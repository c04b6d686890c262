import { createHash } from 'node:crypto';
import { typeNamed } from '../catalog.js';
import type { Cloud } from '../cloud.js';
import { readUserData } from '../cloud-init.js';
import { CloudError } from '../errors.js';
import type { Operation } from '../fault-kinds.js';
import type { Account, MachineRecord } from '../types.js';
import { type Action, type Ask, always, filteredTags, pageSizeOf, specifiedTags } from './aws-ask.js';
import { coreRules, groupAt, groupsOf, shelfOf } from './aws-groups.js';
import { nodeAt, nodesAt, textAt, textsAt, type Xml } from './aws-query.js';
import { Ec2Refusal, invalidValue, missing } from './aws-refusals.js';
import { instanceXml, stateChangeXml, toAmiId, zoneOfLocation } from './aws-wire.js';

/** With a client token that was used before, every parameter must be the same. */
export async function runInstances({ cloud, params, region, context }: Ask): Promise<{ [name: string]: Xml }> {
  const { account } = context;
  const groups = textsAt(params, 'SecurityGroupId').map((id) => groupAt(cloud, account, region, id));
  const amiId = textAt(params, 'ImageId') ?? missing('ImageId');
  const image = cloud.images().find(({ id }) => toAmiId(id) === amiId);
  if (!image) throw new CloudError('image.not_found', `The image id '[${amiId}]' does not exist`);
  const zone = textAt(nodeAt(params, 'Placement'), 'AvailabilityZone');
  const location = cloud.locations().find(({ name }) => name === region);
  if (zone !== undefined && location && zone !== zoneOfLocation(location)) invalidValue('AvailabilityZone', zone);
  const tags = specifiedTags(params, 'instance');
  const userData = textAt(params, 'UserData');
  const boot = readUserData(Buffer.from(userData ?? '', 'base64').toString());
  const clientToken = textAt(params, 'ClientToken');
  const shelf = shelfOf(cloud, account);
  const request = createHash('sha256').update(JSON.stringify(params)).digest('hex');
  if ((shelf.requests?.[clientToken ?? ''] ?? request) !== request) {
    const why = 'The request uses the same client token as a previous, but non-identical request.';
    throw new Ec2Refusal('IdempotentParameterMismatch', why);
  }
  const size = nodesAt(params, 'BlockDeviceMapping').map((disk) => textAt(nodeAt(disk, 'Ebs'), 'VolumeSize'))[0];
  const record = await cloud.create(
    {
      name: tags.Name ?? '',
      location: region,
      instanceType: textAt(params, 'InstanceType') ?? missing('InstanceType'),
      imageId: image.id,
      publicKeys: boot.publicKeys,
      tags,
      ...(size !== undefined && { diskSize: { value: Number(size), unit: 'GiB' as const } }),
      ...(userData !== undefined && { userDataBase64: userData }),
      ...(clientToken !== undefined && { clientToken }),
      firewallRules: { ingressRules: coreRules(groups) },
      sshUser: 'ubuntu',
    },
    { ...context, account: { ...account, idempotentCreate: true } },
  );
  if (record.status === 'terminated' || record.status === 'terminating') {
    const why = `The client token belongs to ${record.id}, which has been terminated`;
    throw new Ec2Refusal('IdempotentInstanceTerminated', why);
  }
  shelf.groupIds[record.id] ??= groups.map(({ id }) => id);
  if (clientToken !== undefined) shelf.requests = { ...shelf.requests, [clientToken]: request };
  cloud.parts.changed();
  return {
    reservationId: toReservationId(record),
    ownerId: '123456789012',
    groupSet: [],
    instancesSet: [shown(cloud, account, record)],
  };
}

export function describeInstances(ask: Ask): { [name: string]: Xml } {
  const { cloud, params, region, context } = ask;
  const toReservation = (record: MachineRecord): Xml => ({
    reservationId: toReservationId(record),
    ownerId: '123456789012',
    groupSet: [],
    instancesSet: [shown(cloud, context.account, record)],
  });
  if (params.InstanceId !== undefined) {
    const records = named(ask);
    const hidden = records.find(({ listedFrom }) => listedFrom > cloud.parts.clock.now());
    if (hidden) throw new CloudError('instance.not_found', `The instance ID '${hidden.id}' does not exist`);
    return { reservationSet: records.map(toReservation) };
  }
  const query = { tags: filteredTags(params), location: region, pageToken: textAt(params, 'NextToken') };
  const { items, nextPageToken } = cloud.list({ ...query, pageSize: pageSizeOf(ask, 5) }, context);
  return { reservationSet: items.map(toReservation), nextToken: nextPageToken };
}

export function power(operation: Operation, act: (ask: Ask, id: string) => MachineRecord): Action {
  return {
    operation: always(operation),
    work: (ask) => {
      const before = named(ask).map(({ id, status }) => ({ id, status }));
      return {
        instancesSet: before.map(({ id, status }) => stateChangeXml(id, status, act(ask, id).status)),
      };
    },
  };
}

/** The machines that a call names: all there, and in this region, or none. */
export function named({ cloud, params, region, context }: Ask, parameter = 'InstanceId'): MachineRecord[] {
  const ids = textsAt(params, parameter);
  if (ids.length === 0) missing(parameter);
  return ids.map((id) => {
    const record = cloud.get(id, context);
    if (record.location === region) return record;
    throw new CloudError('instance.not_found', `The instance ID '${id}' does not exist`);
  });
}

function shown(cloud: Cloud, account: Account, record: MachineRecord): Xml {
  return instanceXml(record, typeNamed(cloud.parts.catalog, record.instanceType), groupsOf(cloud, account, record.id));
}

function toReservationId({ id }: MachineRecord): string {
  return `r-${id.slice(2)}`;
}
