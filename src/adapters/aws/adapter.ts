import { ProviderError } from '../../domain/errors.js';
import type { FirewallRules } from '../../domain/firewall.js';
import type { CloudCredRefId, CloudId } from '../../domain/ids.js';
import {
  type Capability,
  type CloudInstance,
  type CreateInstanceAttrs,
  type CreateOutcome,
  IDENTITY_TAGS,
  type InstanceType,
  type Provider,
  type ProviderLimits,
  type SideResource,
} from '../../domain/provider.js';
import type { Size } from '../../domain/size.js';
import { findEarlier } from '../earlier.js';
import { toProviderError } from '../failures.js';
import { createHolding } from '../held-create.js';
import { HttpFailure } from '../http-failure.js';
import { LaunchQueue } from '../launch-queue.js';
import { collectPages } from '../pages.js';
import type { Priority } from '../rate-limiter.js';
import type { Ec2Client, Ec2Instance } from './client.js';
import { codeOf, isCreateRefusal, judge, type Operation } from './errors.js';
import { type DefaultImage, Images } from './images.js';
import {
  checkTags,
  type FirstBoot,
  groupIdOf,
  type Launch,
  CAPABILITIES as ON_MACHINES,
  type Setting,
  toCloudInstance,
  toFirstBoot,
  toGib,
  toInstanceTypes,
  toRunInput,
} from './mapping.js';
import { type GroupTiming, type HeldGroup, SecurityGroups } from './security-groups.js';
import { readTags, tagDifference, toTagList } from './tags.js';

export const ID = 'aws';

export const CAPABILITIES = [
  'create-instance',
  'create-instance-idempotent',
  'terminate-instance',
  'instance-userdata',
  'machine-image',
  ...ON_MACHINES,
] as const satisfies readonly Capability[];

export interface AwsProviderOptions extends Setting {
  /** Where this credential may buy, and where it is listed. */
  regions: readonly string[];
  defaultImage: DefaultImage;
  limits: ProviderLimits;
  groupTiming?: GroupTiming;
}

/** Amazon EC2. What each operation owes its caller: `domain/provider.ts`. What is odd about EC2: README.md. */
export class AwsProvider implements Provider {
  readonly id = ID;
  readonly cloudCredRefId: CloudCredRefId;
  readonly capabilities: readonly Capability[] = CAPABILITIES;
  readonly limits: ProviderLimits;
  readonly prices = 'credential';
  readonly stock = 'untold';
  readonly #client: Ec2Client;
  readonly #regions: readonly string[];
  readonly #setting: Setting;
  readonly #images: Images;
  readonly #groups: SecurityGroups;
  readonly #queue: LaunchQueue;

  constructor(client: Ec2Client, options: AwsProviderOptions) {
    const { cloudCredRefId, regions, defaultImage, limits, groupTiming, ...setting } = options;
    this.#client = client;
    this.cloudCredRefId = cloudCredRefId;
    this.limits = limits;
    this.#regions = regions;
    this.#setting = { cloudCredRefId, ...setting };
    this.#images = new Images(client, defaultImage);
    this.#groups = new SecurityGroups(client, cloudCredRefId, limits, groupTiming);
    this.#queue = new LaunchQueue(ID, limits.createsPerMinute);
  }

  async createInstance(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<CreateOutcome> {
    return await this.#queue.run(() => this.#lookAndCreate(attrs, signal));
  }

  async #lookAndCreate(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<CreateOutcome> {
    let launch: Launch & FirstBoot;
    let group: HeldGroup;
    try {
      this.#mustBuyAt(attrs.location);
      checkTags(attrs.tags);
      const boot = toFirstBoot(attrs);
      const earlier = findEarlier(await this.#findByRefId(attrs.refId, signal), attrs);
      if (earlier) return { outcome: 'exists', instance: earlier, adopted: true };
      const image = await this.#images.imageFor(attrs, signal);
      group = await this.#groups.hold(attrs, signal);
      launch = { ...boot, image, groupId: group.id, createdAt: group.createdAt };
    } catch (error) {
      // Nothing was sent that creates.
      return { outcome: 'refused', failure: this.#toError('createInstance', attrs.refId, error).fact };
    }
    return await this.#run(attrs, launch, group, signal);
  }

  /**
   * The create itself. We do not read the machine back: a failed read would make a created (and billed) machine look
   * like a failure.
   */
  async #run(
    attrs: CreateInstanceAttrs,
    { conceal, ...launch }: Launch & FirstBoot,
    group: HeldGroup,
    signal: AbortSignal,
  ): Promise<CreateOutcome> {
    return await createHolding({
      held: group,
      send: async () => await this.#client.runInstance(attrs.location, toRunInput(attrs, launch), conceal, signal),
      isRefusal: isCreateRefusal,
      toFailure: (error) => this.#toError('createInstance', attrs.refId, error).fact,
      toInstance: (made) => toCloudInstance(made, attrs.location, this.#setting),
    });
  }

  async getInstance(cloudId: CloudId, location: string, signal: AbortSignal): Promise<CloudInstance> {
    return await this.#perform('getInstance', cloudId, async () => {
      const ec2 = await this.#client.getInstance({ region: location, id: cloudId }, 'read', signal);
      const instance = toCloudInstance(ec2, location, this.#setting);
      const { status, attemptKey, cloudCredRefId } = instance;
      if (status !== 'terminated' || !attemptKey || cloudCredRefId !== this.cloudCredRefId) return instance;
      return (await this.#groups.settleOne(location, attemptKey, signal)) ? instance : almostGone(instance);
    });
  }

  async listInstances(signal: AbortSignal): Promise<CloudInstance[]> {
    return await this.#perform('listInstances', this.cloudCredRefId, async () =>
      (await Promise.all(this.#regions.map((region) => this.#listRegion(region, signal)))).flat(),
    );
  }

  async #listRegion(region: string, signal: AbortSignal): Promise<CloudInstance[]> {
    const startedAt = Date.now();
    const instances = await this.#find(region, [], 'read', signal);
    const users = instances.map(({ attemptKey, status }) => ({ attemptKey, isTerminated: status === 'terminated' }));
    const left = await this.#groups.settle(region, users, startedAt);
    return instances
      .filter(({ refId }) => refId !== undefined)
      .map((instance) => {
        const { status, attemptKey } = instance;
        return status === 'terminated' && attemptKey && left.has(attemptKey) ? almostGone(instance) : instance;
      });
  }

  async terminateInstance(cloudId: CloudId, location: string, signal: AbortSignal): Promise<void> {
    await this.#perform('terminateInstance', cloudId, async () => {
      try {
        await this.#client.terminate({ region: location, id: cloudId }, signal);
      } catch (error) {
        const isGone = error instanceof HttpFailure && codeOf(error) === 'InvalidInstanceID.NotFound';
        if (!isGone) throw error;
      }
    });
  }

  /** EC2 itself accepts a stop of what is stopped, and a start of what runs. */
  async stopInstance(cloudId: CloudId, location: string, signal: AbortSignal): Promise<void> {
    await this.#perform('stopInstance', cloudId, () => this.#client.stop({ region: location, id: cloudId }, signal));
  }

  async startInstance(cloudId: CloudId, location: string, signal: AbortSignal): Promise<void> {
    await this.#perform('startInstance', cloudId, () => this.#client.start({ region: location, id: cloudId }, signal));
  }

  /** It stays `running` all the while; a second reboot is taken like the first. */
  async rebootInstance(cloudId: CloudId, location: string, signal: AbortSignal): Promise<void> {
    await this.#perform('rebootInstance', cloudId, () =>
      this.#client.reboot({ region: location, id: cloudId }, signal),
    );
  }

  async setFirewallRules(cloudId: CloudId, location: string, rules: FirewallRules, signal: AbortSignal): Promise<void> {
    await this.#perform('setFirewallRules', cloudId, async () => {
      const groupId = groupIdOf(await this.#client.getInstance({ region: location, id: cloudId }, 'provision', signal));
      if (groupId === undefined) {
        const message = `${ID}: ${cloudId} has no security group of Slipway's`;
        throw new ProviderError({ kind: 'NotSupported', operation: 'setFirewallRules', message });
      }
      const toError = (error: unknown) => this.#toError('setFirewallRules', cloudId, error);
      await this.#groups.setRules({ region: location, id: groupId }, rules, toError, signal);
    });
  }

  /** EC2 sets and removes tags one by one: what is new first, so that our identity is never away. */
  async updateTags(
    cloudId: CloudId,
    location: string,
    tags: Record<string, string>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#perform('updateTags', cloudId, async () => {
      checkTags(tags);
      const at = { region: location, id: cloudId };
      const { Tags: current } = await this.#client.getInstance(at, 'provision', signal);
      const { ours, name } = readTags(current);
      const { put, remove } = tagDifference(current, toTagList(tags, ours, name));
      if (put.length > 0) await this.#client.putTags(at, put, signal);
      if (remove.length > 0) await this.#client.deleteTags(at, remove, signal);
    });
  }

  async changeInstanceType(
    cloudId: CloudId,
    location: string,
    instanceType: string,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#perform('changeInstanceType', cloudId, () =>
      this.#client.setType({ region: location, id: cloudId }, instanceType, signal),
    );
  }

  /** The root disk. What is on it grows at the next boot, with cloud-init. */
  async resizeVolume(cloudId: CloudId, location: string, size: Size, signal: AbortSignal): Promise<void> {
    await this.#perform('resizeVolume', cloudId, async () => {
      const ec2 = await this.#client.getInstance({ region: location, id: cloudId }, 'provision', signal);
      await this.#client.resizeVolume(location, rootVolumeOf(ec2), toGib(size), signal);
    });
  }

  async listInstanceTypes(signal: AbortSignal): Promise<InstanceType[]> {
    return await this.#perform('listInstanceTypes', this.cloudCredRefId, async () => {
      const types = await Promise.all(this.#regions.map((region) => this.#typesAt(region, signal)));
      return types.flat().sort((a, b) => (a.id < b.id ? -1 : 1));
    });
  }

  async listLocations(): Promise<string[]> {
    return [...this.#regions].sort();
  }

  async listSideResources(signal: AbortSignal): Promise<SideResource[]> {
    return await this.#perform('listSideResources', this.cloudCredRefId, async () =>
      (await Promise.all(this.#regions.map((region) => this.#groups.listOurs(region, signal)))).flat(),
    );
  }

  async #typesAt(region: string, signal: AbortSignal): Promise<InstanceType[]> {
    const listing = { provider: ID, operation: 'listInstanceTypes' };
    const zones = new Map<string, string[]>();
    const offerings = await collectPages({
      ...listing,
      getPage: (pageToken) => this.#client.listOfferings(region, pageToken, signal),
      idOf: ({ type, zone }) => `${zone}/${type}`,
    });
    for (const { type, zone } of offerings) zones.set(type, [...(zones.get(type) ?? []), zone]);
    const types = await collectPages({
      ...listing,
      getPage: (pageToken) => this.#client.listTypes(region, pageToken, signal),
      idOf: ({ InstanceType }) => InstanceType,
    });
    return types.flatMap((type) => toInstanceTypes(type, region, zones.get(type.InstanceType) ?? [], this.#setting));
  }

  /** In every region: an earlier attempt may have been elsewhere. */
  async #findByRefId(refId: string, signal: AbortSignal): Promise<CloudInstance[]> {
    const filter = { Name: `tag:${IDENTITY_TAGS.refId}`, Values: [refId] };
    const found = await Promise.all(this.#regions.map((region) => this.#find(region, [filter], 'provision', signal)));
    return found.flat();
  }

  /** Whole or an error, and this credential's only: two credentials may share an account, and so may people. */
  async #find(
    region: string,
    filters: { Name: string; Values: string[] }[],
    priority: Priority,
    signal: AbortSignal,
  ): Promise<CloudInstance[]> {
    const ours = { Name: `tag:${IDENTITY_TAGS.cloudCredRefId}`, Values: [this.cloudCredRefId] };
    const all = await collectPages({
      provider: ID,
      operation: 'listInstances',
      getPage: (pageToken) =>
        this.#client.listInstances({ region, filters: [ours, ...filters], pageToken }, priority, signal),
      idOf: ({ InstanceId }) => InstanceId,
    });
    return all
      .map((instance) => toCloudInstance(instance, region, this.#setting))
      .filter(({ cloudCredRefId }) => cloudCredRefId === this.cloudCredRefId);
  }

  #mustBuyAt(region: string): void {
    if (this.#regions.includes(region)) return;
    const known = this.#regions.join(', ');
    throw new TypeError(
      `location must be a region of the credential (${known}): ${JSON.stringify(region.slice(0, 60))}`,
    );
  }

  async #perform<T>(operation: Operation, about: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#toError(operation, about, error);
    }
  }

  #toError(operation: Operation, about: string, error: unknown): ProviderError {
    return toProviderError(error, { provider: ID, operation, about, judge: (failure) => judge(failure, operation) });
  }
}

/** Its group is still to go. It bills no more, and is not over. */
function almostGone(instance: CloudInstance): CloudInstance {
  return { ...instance, status: 'terminating', statusMessage: 'terminated; its security group is not deleted yet' };
}

function rootVolumeOf({ InstanceId, RootDeviceName, BlockDeviceMappings = [] }: Ec2Instance): string {
  const root = BlockDeviceMappings.find(({ DeviceName }) => DeviceName === RootDeviceName)?.Ebs?.VolumeId;
  if (root === undefined) throw new TypeError(`${InstanceId} has no root volume that can grow`);
  return root;
}
