import type { ProviderError } from '../../domain/errors.js';
import { type CloudCredRefId, type CloudId, toIsoTime } from '../../domain/ids.js';
import type {
  Capability,
  CloudInstance,
  CreateInstanceAttrs,
  CreateOutcome,
  InstanceType,
  Provider,
  ProviderLimits,
  SideResource,
} from '../../domain/provider.js';
import { findEarlier } from '../earlier.js';
import { notSupported, toProviderError } from '../failures.js';
import { createHolding } from '../held-create.js';
import { HttpFailure } from '../http-failure.js';
import { LaunchQueue } from '../launch-queue.js';
import { collectPages } from '../pages.js';
import type { Priority } from '../rate-limiter.js';
import { type HeldKey, type KeyStore, type KeyTiming, type KeyUser, SshKeys } from '../ssh-keys.js';
import { perObject } from '../unchanged.js';
import type { ShadeformClient, ShadeInstance, ShadeInstanceType } from './client.js';
import { isCreateRefusal, isNameTaken, judge, type Operation } from './errors.js';
import {
  type Launch,
  readTags,
  STATUS,
  toCloudInstance,
  toInstanceTypes,
  toKeyTag,
  toLaunch,
  toPendingInstance,
  toTags,
} from './mapping.js';

export const ID = 'shadeform';

export const CAPABILITIES = [
  'create-instance',
  'terminate-instance',
  'instance-userdata',
  'tags',
  'reboot-instance',
  'machine-image',
] as const satisfies readonly Capability[];

export interface ShadeformProviderOptions {
  cloudCredRefId: CloudCredRefId;
  limits: ProviderLimits;
  keyTiming?: KeyTiming;
}

/** Shadeform, a broker of other clouds. What each operation owes its caller: `domain/provider.ts`. */
export class ShadeformProvider implements Provider {
  readonly id = ID;
  readonly cloudCredRefId: CloudCredRefId;
  readonly capabilities: readonly Capability[] = CAPABILITIES;
  readonly firewall = 'host';
  readonly limits: ProviderLimits;
  readonly sshKeys: SshKeys;
  readonly #client: ShadeformClient;
  readonly #queue: LaunchQueue;
  readonly #toListed = perObject(toCloudInstance);

  constructor(client: ShadeformClient, { cloudCredRefId, limits, keyTiming }: ShadeformProviderOptions) {
    this.#client = client;
    this.cloudCredRefId = cloudCredRefId;
    this.limits = limits;
    this.#queue = new LaunchQueue(ID, limits.createsPerMinute);
    this.sshKeys = new SshKeys(toKeyStore(client), cloudCredRefId, limits, keyTiming);
  }

  async createInstance(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<CreateOutcome> {
    return await this.#queue.run(() => this.#lookAndCreate(attrs, signal));
  }

  async #lookAndCreate(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<CreateOutcome> {
    const createdAt = toIsoTime(Date.now());
    let launch: Launch;
    let key: HeldKey;
    try {
      if (attrs.diskSize !== undefined) throw notSupported(ID, 'createInstance', 'a disk comes with the type');
      launch = toLaunch(attrs, createdAt);
      const earlier = findEarlier(await this.#list('provision', signal), attrs);
      if (earlier) return { outcome: 'exists', instance: earlier, adopted: true };
      key = await this.sshKeys.hold(attrs, launch.publicKey, signal);
    } catch (error) {
      // Nothing was sent that creates.
      return { outcome: 'refused', failure: this.#toError('createInstance', attrs.refId, error).fact };
    }
    return await this.#create(attrs, { ...launch, createdAt, key }, signal);
  }

  /**
   * The create itself; it answers with an id. We do not read the machine back: a failed read would make a created (and
   * billed) machine look like a failure.
   */
  async #create(
    attrs: CreateInstanceAttrs,
    { body, conceal, createdAt, key }: Launch & { createdAt: string; key: HeldKey },
    signal: AbortSignal,
  ): Promise<CreateOutcome> {
    const tags = [...body.tags, toKeyTag(key.name)];
    return await createHolding({
      held: key,
      send: () => this.#client.create({ ...body, tags, ssh_key_id: key.id }, conceal, signal),
      isRefusal: isCreateRefusal,
      toFailure: (error) => this.#toError('createInstance', attrs.refId, error).fact,
      toInstance: (cloudId) => toPendingInstance(attrs, cloudId, createdAt),
    });
  }

  async getInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<CloudInstance> {
    return this.#perform('getInstance', cloudId, async () =>
      toCloudInstance(await this.#client.getInstance(cloudId, 'read', signal)),
    );
  }

  async listInstances(signal: AbortSignal): Promise<CloudInstance[]> {
    return this.#perform('listInstances', this.cloudCredRefId, () => this.#list('read', signal));
  }

  /** Its SSH key goes with the first listing after which Shadeform lets it go: `../ssh-keys.ts`. */
  async terminateInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<void> {
    await this.#perform('terminateInstance', cloudId, async () => {
      try {
        await this.#client.delete(cloudId, signal);
      } catch (error) {
        const isGone = error instanceof HttpFailure && judge(error, 'terminateInstance').kind === 'InstanceNotFound';
        if (!isGone) throw error;
      }
    });
  }

  async stopInstance(): Promise<void> {
    throw notSupported(ID, 'stopInstance', 'Shadeform has no stop');
  }

  async startInstance(): Promise<void> {
    throw notSupported(ID, 'startInstance', 'Shadeform has no start');
  }

  /** It stays `active` all the while; a second restart is taken like the first. */
  async rebootInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<void> {
    await this.#perform('rebootInstance', cloudId, () => this.#client.restart(cloudId, signal));
  }

  async setFirewallRules(): Promise<void> {
    throw notSupported(ID, 'setFirewallRules', 'Shadeform has no firewall; rules come with the create');
  }

  /** Shadeform replaces all tags at once, so ours are read first and sent along. */
  async updateTags(
    cloudId: CloudId,
    _location: string,
    tags: Record<string, string>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#perform('updateTags', cloudId, async () => {
      const { ours } = readTags((await this.#client.getInstance(cloudId, 'provision', signal)).tags);
      await this.#client.updateTags(cloudId, toTags(tags, ours), signal);
    });
  }

  async changeInstanceType(): Promise<void> {
    throw notSupported(ID, 'changeInstanceType', 'Shadeform has no change of type');
  }

  async resizeVolume(): Promise<void> {
    throw notSupported(ID, 'resizeVolume', 'a disk comes with the type');
  }

  async listInstanceTypes(signal: AbortSignal): Promise<InstanceType[]> {
    return this.#perform('listInstanceTypes', this.cloudCredRefId, async () => {
      const types = (await this.#types(signal)).flatMap(toInstanceTypes);
      const unique = [...new Map(types.map((type) => [type.id, type])).values()];
      return unique.sort((a, b) => (a.id < b.id ? -1 : 1));
    });
  }

  /** There is no list of regions: those where something is sold. */
  async listLocations(signal: AbortSignal): Promise<string[]> {
    return this.#perform('listLocations', this.cloudCredRefId, async () => {
      const regions = (await this.#types(signal)).flatMap(({ availability }) =>
        availability.map(({ region }) => region),
      );
      return [...new Set(regions)].sort();
    });
  }

  /** Without containers: they boot no script, hence no firewall. */
  async #types(signal: AbortSignal): Promise<ShadeInstanceType[]> {
    const types = await this.#client.listInstanceTypes(signal);
    return types.filter(({ deployment_type: kind }) => kind !== 'container');
  }

  async listSideResources(signal: AbortSignal): Promise<SideResource[]> {
    return this.#perform('listSideResources', this.cloudCredRefId, () => this.sshKeys.listOurs(signal));
  }

  /** Whole or an error, and this credential's only: two credentials may share an account, and so may people. */
  async #list(priority: Priority, signal: AbortSignal): Promise<CloudInstance[]> {
    const startedAt = Date.now();
    const all = await collectPages({
      provider: ID,
      operation: 'listInstances',
      getPage: async () => ({ items: await this.#client.listInstances(priority, signal) }),
      idOf: ({ id }) => id,
    });
    this.sshKeys.afterListing(all.map(toKeyUser), startedAt);
    return all
      .map(this.#toListed)
      .filter(({ refId, cloudCredRefId }) => refId !== undefined && cloudCredRefId === this.cloudCredRefId);
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

function toKeyStore(client: ShadeformClient): KeyStore {
  return {
    add: (name, publicKey, signal) => client.addSshKey(name, publicKey, signal),
    list: (priority, signal) => client.listSshKeys(priority, signal),
    remove: (keyId, priority, signal) => client.deleteSshKey(keyId, priority, signal),
    mayBeTaken: isNameTaken,
  };
}

/** A listing does not name the key, so a tag does. Shadeform itself deletes no key that is in use. */
function toKeyUser({ tags, status = '' }: ShadeInstance): KeyUser {
  const { keyName } = readTags(tags);
  const isEnding = STATUS[status] === 'terminating' || STATUS[status] === 'terminated';
  return { keyNames: keyName === undefined ? [] : [keyName], isEnding };
}
