import type { InstanceTypeSpec } from '../catalog.js';
import type { Cloud } from '../cloud.js';
import { CloudError } from '../errors.js';
import type { CallContext } from '../gate.js';
import { toBytes } from '../types.js';
import type { ByName, CreateInstance, Paged } from './nebius-requests.js';
import { BY_NAME, mustBeTenant, type NebiusServices } from './nebius-services.js';
import { gpuQuotaOf, toAdvice, toPlatforms, toProject, toSubnet } from './nebius-wire.js';

/** What Nebius sells and where: a project for each location, prices by estimate, stock and quotas by services of their own. */

const GPUS_PER_MACHINE = 8;

export function addCatalog(services: NebiusServices): void {
  const { cloud } = services;
  services.add<Paged>('nebius.iam.v1.ProjectService/List', {
    request: 'ListProjectsRequest',
    reply: 'ListProjectsResponse',
    operation: 'locations',
    work: ({ parent_id, ...page }) => {
      mustBeTenant(parent_id);
      return services.page(cloud.locations().map(toProject), page);
    },
  });
  services.add<Paged>('nebius.vpc.v1.SubnetService/List', {
    request: 'ListSubnetsRequest',
    reply: 'ListSubnetsResponse',
    operation: 'other',
    work: ({ parent_id, ...page }) => services.page([toSubnet(services.locationOf(parent_id))], page),
  });
  services.add<Paged>('nebius.compute.v1.PlatformService/List', {
    request: 'ListPlatformsRequest',
    reply: 'ListPlatformsResponse',
    operation: 'types',
    work: ({ parent_id, ...page }) => services.page(platformsOf(services, parent_id), page),
  });
  services.add<ByName>('nebius.compute.v1.PlatformService/GetByName', {
    request: BY_NAME,
    reply: 'Platform',
    operation: 'types',
    work: ({ parent_id, name }) => {
      const platform = platformsOf(services, parent_id).find(({ metadata }) => metadata.name === name);
      if (!platform) throw new CloudError('resource.not_found', 'there is no such platform');
      return platform;
    },
  });
  services.add<{ resource_spec: { compute_instance_spec?: CreateInstance } | null }>(
    'nebius.billing.v1alpha1.CalculatorService/Estimate',
    {
      request: 'EstimateRequest',
      reply: 'EstimateResponse',
      operation: 'other',
      work: ({ resource_spec: asked }) => {
        const type = services.typeOf(asked?.compute_instance_spec);
        return { hourly_cost: { general: { total: { cost: type.pricePerHour.amount } } } };
      },
    },
  );
  services.add<Paged>('nebius.quotas.v1.QuotaAllowanceService/List', {
    request: 'ListQuotaAllowancesRequest',
    reply: 'ListQuotaAllowancesResponse',
    operation: 'quotas',
    work: ({ parent_id, ...page }, context) => {
      mustBeTenant(parent_id);
      return services.page(quotas(cloud, context), page);
    },
  });
  services.add<Paged>('nebius.capacity.v1.ResourceAdviceService/List', {
    request: 'ListResourceAdviceRequest',
    reply: 'ListResourceAdviceResponse',
    operation: 'types',
    work: ({ parent_id, ...page }) => {
      mustBeTenant(parent_id);
      const offers = cloud.offers().filter(({ type }) => type.gpu);
      return services.page(offers.map(toAdvice), page);
    },
  });
}

function platformsOf(services: NebiusServices, projectId: string): ReturnType<typeof toPlatforms> {
  const { name } = services.locationOf(projectId);
  return toPlatforms(services.soldAt(name), name);
}

/** In GPUs, virtual processors and bytes. The core counts machines: what is free of those is shown as eight GPUs each. */
function quotas(cloud: Cloud, context: CallContext): object[] {
  const { catalog } = cloud.parts;
  const records = cloud
    .list({ pageSize: Number.MAX_SAFE_INTEGER }, { ...context, faults: { behaviours: [] } })
    .items.filter(({ status }) => status !== 'terminated');
  return cloud.quotas(context).flatMap(({ location, maximum, current }) => {
    if (location === null) return [];
    const here = records.filter((record) => record.location === location).map((record) => cloud.typeOf(record));
    const left = maximum === null ? undefined : Math.max(0, maximum - current);
    const sum = (of: (type: InstanceTypeSpec) => number): number => here.reduce((all, type) => all + of(type), 0);
    const row = (name: string, usage: number, perMachine: number): object => ({
      metadata: { name },
      spec: { region: location, ...(left !== undefined && { limit: usage + left * perMachine }) },
      status: { state: 'STATE_ACTIVE', usage },
    });
    const gpus = new Map(catalog.instanceTypes.filter(({ gpu }) => gpu).map((type) => [gpuQuotaOf(type), type]));
    return [
      ...[...gpus.keys()].map((name) => {
        const used = sum((type) => (type.gpu && gpuQuotaOf(type) === name ? type.gpu.count : 0));
        return row(name, used, GPUS_PER_MACHINE);
      }),
      row(
        'compute.instance.non-gpu.vcpu',
        sum(({ gpu, vcpu }) => (gpu ? 0 : vcpu)),
        64,
      ),
      row(
        'compute.instance.non-gpu.memory',
        sum(({ gpu, memory }) => (gpu ? 0 : toBytes(memory))),
        2 ** 38,
      ),
    ];
  });
}
