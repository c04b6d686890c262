import { fromMicros, type Money } from '../../domain/money.js';
import { type InstanceType, toInstanceTypeId } from '../../domain/provider.js';
import type { NebiusClient } from './client.js';
import { CAPABILITIES, splitTypeName, toTypeName } from './mapping.js';
import type { Project } from './places.js';
import type { NebiusAdvice, NebiusPlatform, NebiusPreset, NebiusQuota } from './schemas.js';

/*
 * What Nebius sells: presets of platforms, in each region that the tenant has a project in. Three services know about it:
 * compute what there is, quotas and the capacity advisor what can be had now, the calculator what it costs.
 */

const PRICE_FRESH_MS = 3_600_000;
/** A price that could not be had is not asked for again so soon. */
const PRICE_AGAIN_MS = 60_000;

/** Prices, asked for once per type and region. */
export class Prices {
  readonly #client: NebiusClient;
  readonly #known = new Map<string, { price: Promise<Money | undefined>; until: number }>();

  constructor(client: NebiusClient) {
    this.#client = client;
  }

  /** Undefined where the calculator does not answer: nothing else fails for it. */
  of(project: Project, instanceType: string, signal: AbortSignal): Promise<Money | undefined> {
    const key = toInstanceTypeId(project.region, undefined, instanceType);
    const known = this.#known.get(key);
    if (known && Date.now() < known.until) return known.price;
    const price = this.#ask(project, instanceType, signal);
    const entry = { price, until: Date.now() + PRICE_FRESH_MS };
    this.#known.set(key, entry);
    void price.then((money) => {
      if (money === undefined) entry.until = Date.now() + (signal.aborted ? 0 : PRICE_AGAIN_MS);
    });
    return price;
  }

  async #ask(project: Project, instanceType: string, signal: AbortSignal): Promise<Money | undefined> {
    try {
      return toMoney(await this.#client.estimate(project.id, splitTypeName(instanceType), signal));
    } catch {
      return undefined;
    }
  }
}

/** Dollars for the whole machine, to more places than we keep: `2.950000001`. */
function toMoney(cost: string): Money | undefined {
  return /^\d{1,9}(?:\.\d+)?$/.test(cost) ? fromMicros(Number(cost) * 1_000_000, 'USD') : undefined;
}

/** What can be had now, by the account's quotas and the provider's stock. */
export class Availability {
  readonly #free = new Map<string, number>();
  readonly #stock = new Map<string, number>();

  constructor(quotas: readonly NebiusQuota[], advice: readonly NebiusAdvice[]) {
    for (const { metadata, spec, status } of quotas) {
      if (status?.state !== 'STATE_ACTIVE') continue;
      // A quota without a limit limits nothing (inferred).
      const free = spec.limit === undefined ? Number.POSITIVE_INFINITY : spec.limit - status.usage;
      this.#free.set(JSON.stringify([spec.region, metadata.name]), free);
    }
    for (const { spec, status } of advice) {
      const { platform = '', preset } = spec?.compute_instance ?? {};
      const key = JSON.stringify([spec?.region, platform, preset?.name]);
      // One row for each fabric: the best of them counts.
      this.#stock.set(key, Math.max(this.#stock.get(key) ?? 0, toStock(status?.on_demand)));
    }
  }

  isAvailable(region: string, platform: NebiusPlatform, { name, resources }: NebiusPreset): boolean {
    const free = (quota: string): number => this.#free.get(JSON.stringify([region, quota])) ?? 0;
    if (resources.gpu_count === 0) {
      const bytes = resources.memory_gibibytes * 2 ** 30;
      return free(`${NON_GPU}.vcpu`) >= resources.vcpu_count && free(`${NON_GPU}.memory`) >= bytes;
    }
    if (free(gpuQuotaOf(platform)) < resources.gpu_count) return false;
    const stock = this.#stock.get(JSON.stringify([region, platform.metadata.name, name]));
    return stock === undefined || stock > 0;
  }
}

const NON_GPU = 'compute.instance.non-gpu';

function gpuQuotaOf({ metadata, spec }: NebiusPlatform): string {
  return spec.gpu_count_quota_type || `compute.instance.gpu.${modelOf(metadata.name).toLowerCase()}`;
}

function toStock(availability: NonNullable<NebiusAdvice['status']>['on_demand']): number {
  const { data_state: state, available = 0, availability_level: level } = availability ?? {};
  return state === 'DATA_STATE_UNKNOWN' || level === 'AVAILABILITY_LEVEL_LIMIT_REACHED' ? 0 : available;
}

/** One platform of one project. */
export function toInstanceTypes(
  platform: NebiusPlatform,
  project: Project,
  availability: Availability,
): Omit<InstanceType, 'pricePerHour'>[] {
  const { region } = project;
  return platform.spec.presets.map((preset) => {
    const instanceType = toTypeName(platform.metadata.name, preset.name);
    const { vcpu_count: vcpu, memory_gibibytes: memory } = preset.resources;
    return {
      id: toInstanceTypeId(region, undefined, instanceType),
      instanceType,
      location: region,
      isAvailable: availability.isAvailable(region, platform, preset),
      gpus: toGpus(platform, preset),
      ...(vcpu > 0 && { vcpu }),
      ...(memory > 0 && { memory: { value: memory, unit: 'GiB' as const } }),
      architecture: /^gpu-g[bh]\d/.test(platform.metadata.name) ? ('arm64' as const) : ('x86_64' as const),
      capabilities: CAPABILITIES,
    };
  });
}

function toGpus({ metadata, spec }: NebiusPlatform, { resources }: NebiusPreset): InstanceType['gpus'] {
  const { gpu_count: count } = resources;
  if (count === 0) return [];
  const model = modelOf(metadata.name);
  const gigabytes = spec.gpu_memory_gigabytes || (Object.hasOwn(MEMORY_GB, model) ? MEMORY_GB[model] : undefined);
  const name = Object.hasOwn(NAMES, model) ? (NAMES[model] ?? model) : model;
  return [{ name, count, ...(gigabytes && { memoryPerGpu: { value: gigabytes, unit: 'GB' as const } }) }];
}

/** The whole word after `gpu-`, so that a GB200 is never taken for a B200: `gpu-b200-sxm-a` is a B200. */
export function modelOf(platform: string): string {
  return (/^gpu-([a-z]*\d+[a-z]*)/.exec(platform)?.[1] ?? platform).toUpperCase();
}

/** Where the platform's word is not the product's. */
const NAMES: Readonly<Record<string, string>> = { RTX6000: 'RTX PRO 6000' };

/** Of one GPU, for platforms that do not say. */
const MEMORY_GB: Readonly<Record<string, number>> = {
  L40S: 48,
  H100: 80,
  H200: 141,
  A100: 80,
  V100: 32,
  A10: 24,
  T4: 16,
  L4: 24,
  B200: 192,
  GB200: 192,
  B300: 270,
  GB300: 270,
  RTX6000: 96,
};
