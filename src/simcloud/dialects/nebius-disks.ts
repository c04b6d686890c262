import type { Cloud } from '../cloud.js';
import { CloudError } from '../errors.js';
import type { CallContext } from '../gate.js';
import type { Account } from '../types.js';
import { addOperation, newId, type ShelfDisk, shelfOf } from './nebius-account.js';
import type { ById, DiskSpec, Metadata, Paged } from './nebius-requests.js';
import { type NebiusServices, OPERATION } from './nebius-services.js';
import { toDisk, toOperation } from './nebius-wire.js';

/** Disks at Nebius: a machine's own comes and goes with it, others stay until somebody deletes them. */

export function addDisks(services: NebiusServices): void {
  const { cloud } = services;
  const disks = 'nebius.compute.v1.DiskService';
  const find = (id: string, { account }: CallContext): ShelfDisk => {
    const disk = disksOf(cloud, account).find((one) => one.id === id);
    if (!disk) throw new CloudError('resource.not_found', 'there is no such disk');
    return disk;
  };
  services.add<Paged>(`${disks}/List`, {
    request: 'ListDisksRequest',
    reply: 'ListDisksResponse',
    operation: 'other',
    work: ({ parent_id, ...page }, { account }) => {
      services.locationOf(parent_id);
      const here = disksOf(cloud, account).filter(({ projectId }) => projectId === parent_id);
      return services.page(here.map(toDisk), page);
    },
  });
  services.add<ById>(`${disks}/Get`, {
    request: 'GetDiskRequest',
    reply: 'Disk',
    operation: 'other',
    work: ({ id }, context) => toDisk(find(id, context)),
  });
  services.add<{ metadata: Metadata | null; spec: DiskSpec | null }>(`${disks}/Create`, {
    request: 'CreateDiskRequest',
    reply: OPERATION,
    operation: 'other',
    work: ({ metadata, spec }, context, key) =>
      services.once(context, key, () => {
        const { parent_id: projectId = '', name = '', labels = {} } = metadata ?? {};
        services.locationOf(projectId);
        const disk = addDisk(cloud, { projectId, name, labels, gibibytes: spec?.size_gibibytes ?? 0 }, context.account);
        return addOperation(cloud, context.account, { resourceId: disk.id });
      }),
  });
  services.add<ById>(`${disks}/Delete`, {
    request: 'DeleteDiskRequest',
    reply: OPERATION,
    operation: 'other',
    work: ({ id }, context) => {
      if (find(id, context).managedBy) throw new CloudError('instance.wrong_state', 'the disk is attached');
      delete shelfOf(cloud, context.account).disks[id];
      return toOperation(addOperation(cloud, context.account, { resourceId: id }), {});
    },
  });
}

export function addDisk(cloud: Cloud, disk: Omit<ShelfDisk, 'id' | 'createdAt'>, account: Account): ShelfDisk {
  const added = { ...disk, id: newId('computedisk'), createdAt: cloud.parts.clock.now() };
  shelfOf(cloud, account).disks[added.id] = added;
  cloud.parts.changed();
  return added;
}

/** The id of the disk that has the name. */
export function diskNamed(cloud: Cloud, projectId: string, name: string, account: Account): string | undefined {
  return disksOf(cloud, account).find((disk) => disk.projectId === projectId && disk.name === name)?.id;
}

/** Without those that went with their machine. */
function disksOf(cloud: Cloud, account: Account): ShelfDisk[] {
  const shelf = shelfOf(cloud, account);
  for (const { id, managedBy } of Object.values(shelf.disks)) {
    const status = managedBy && cloud.findMachine(managedBy)?.record.status;
    if (managedBy && (status === undefined || status === 'terminated')) delete shelf.disks[id];
  }
  return Object.values(shelf.disks);
}
