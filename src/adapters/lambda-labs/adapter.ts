import { ProviderError } from '../../domain/errors.js';
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
import { keptOut } from './account-firewall.js';
import type { LambdaClient, LambdaInstance } from './client.js';
import { type Asked, isLaunchRefusal, judge, type Operation } from './errors.js';
import {
  type Launch,
  type Setting,
  STATUS,
  toCloudInstance,
  toInstanceTypes,
  toLaunch,
  toPendingInstance,
} from './mapping.js';

export const ID = 'lambda-labs';

export const CAPABILITIES = [
  'create-instance',
  'terminate-instance',
  'instance-userdata',
  'reboot-instance',
  'machine-image',
] as const satisfies readonly Capability[];

export interface LambdaProviderOptions extends Setting {
  limits: ProviderLimits;
  keyTiming?: KeyTiming;
}

/** Lambda Cloud. What each operation owes its caller: `domain/provider.ts`. What is odd about Lambda: README.md. */
export class LambdaProvider implements Provider {
  readonly id = ID;
  readonly cloudCredRefId: CloudCredRefId;
  readonly capabilities: readonly Capability[] = CAPABILITIES;
  readonly firewall = 'host';
  readonly limits: ProviderLimits;
  readonly sshKeys: SshKeys;
  readonly #client: LambdaClient;
  readonly #setting: Setting;
  readonly #queue: LaunchQueue;
  readonly #toListed = perObject((instance: LambdaInstance) => toCloudInstance(instance, this.#setting));

  constructor(client: LambdaClient, { cloudCredRefId, sshPort, limits, keyTiming }: LambdaProviderOptions) {
    this.#client = client;
    this.#setting = { cloudCredRefId, sshPort };
    this.cloudCredRefId = cloudCredRefId;
    this.limits = limits;
    this.#queue = new LaunchQueue(ID, limits.createsPerMinute);
    this.sshKeys = new SshKeys(toKeyStore(client), cloudCredRefId, limits, keyTiming);
  }

  async createInstance(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<CreateOutcome> {
    return await this.#queue.run(() => this.#create(attrs, signal));
  }

  async #create(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<CreateOutcome> {
    const createdAt = toIsoTime(Date.now());
    let launch: Launch;
    let key: HeldKey;
    try {
      if (attrs.diskSize !== undefined) throw notSupported(ID, 'createInstance', 'a disk comes with the type');
      launch = toLaunch(attrs, createdAt);
      const earlier = findEarlier(await this.#list('provision', signal), attrs);
      if (earlier) return { outcome: 'exists', instance: earlier, adopted: true };
      await this.#mustGetThrough(attrs, signal);
      key = await this.sshKeys.hold(attrs, launch.publicKey, signal);
    } catch (error) {
      // Nothing was sent that launches.
      return { outcome: 'refused', failure: this.#toError({ operation: 'createInstance' }, attrs.refId, error).fact };
    }
    return await this.#launch(attrs, { ...launch, createdAt, key }, signal);
  }

  /**
   * The launch itself. We do not read the machine back: a failed read would make a created (and billed) machine look
   * like a failure.
   */
  async #launch(
    attrs: CreateInstanceAttrs,
    { body, conceal, createdAt, key }: Launch & { createdAt: string; key: HeldKey },
    signal: AbortSignal,
  ): Promise<CreateOutcome> {
    const asked = { operation: 'createInstance', namesImage: attrs.imageId !== undefined } as const;
    return await createHolding({
      held: key,
      send: () => this.#client.launch({ ...body, ssh_key_names: [key.name] }, conceal, signal),
      isRefusal: isLaunchRefusal,
      toFailure: (error) => this.#toError(asked, attrs.refId, error).fact,
      toInstance: (cloudId) => toPendingInstance(attrs, cloudId, createdAt, this.#setting),
    });
  }

  async getInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<CloudInstance> {
    return this.#perform('getInstance', cloudId, async () =>
      toCloudInstance(await this.#client.getInstance(cloudId, 'read', signal), this.#setting),
    );
  }

  async listInstances(signal: AbortSignal): Promise<CloudInstance[]> {
    return this.#perform('listInstances', this.cloudCredRefId, () => this.#list('read', signal));
  }

  /** Its SSH key goes with the first listing that shows it on its way out: `../ssh-keys.ts`. */
  async terminateInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<void> {
    await this.#perform('terminateInstance', cloudId, async () => {
      try {
        this.#mustName(await this.#client.terminate(cloudId, signal), cloudId, 'terminateInstance');
      } catch (error) {
        if (this.#kindOf(error, 'terminateInstance') !== 'InstanceNotFound') throw error;
      }
    });
  }

  async stopInstance(): Promise<void> {
    throw notSupported(ID, 'stopInstance', 'Lambda has no stop');
  }

  async startInstance(): Promise<void> {
    throw notSupported(ID, 'startInstance', 'Lambda has no start');
  }

  /** While it restarts it is busy, and says so; then the second restart is the first one. */
  async rebootInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<void> {
    await this.#perform('rebootInstance', cloudId, async () => {
      try {
        this.#mustName(await this.#client.restart(cloudId, signal), cloudId, 'rebootInstance');
      } catch (error) {
        if (!(error instanceof HttpFailure) || judge(error, { operation: 'rebootInstance' }).code !== 'global/conflict')
          throw error;
        const { status, actions } = await this.#client.getInstance(cloudId, 'provision', signal);
        if (status !== 'active' || actions?.restart?.reason_code !== 'vm-action-in-progress') throw error;
      }
    });
  }

  async setFirewallRules(): Promise<void> {
    throw notSupported(ID, 'setFirewallRules', 'Lambda’s firewall is the whole account’s; rules come with the create');
  }

  async updateTags(): Promise<void> {
    throw notSupported(ID, 'updateTags', 'tags are given at the launch and cannot be changed');
  }

  async changeInstanceType(): Promise<void> {
    throw notSupported(ID, 'changeInstanceType', 'Lambda has no change of type');
  }

  async resizeVolume(): Promise<void> {
    throw notSupported(ID, 'resizeVolume', 'a disk comes with the type');
  }

  async listInstanceTypes(signal: AbortSignal): Promise<InstanceType[]> {
    return this.#perform('listInstanceTypes', this.cloudCredRefId, async () => {
      const regions = await this.#client.listRegions(signal);
      const offerings = await this.#client.listInstanceTypes(signal);
      const types = offerings.flatMap((offering) => toInstanceTypes(offering, regions));
      return types.sort((a, b) => (a.id < b.id ? -1 : 1));
    });
  }

  async listLocations(signal: AbortSignal): Promise<string[]> {
    return this.#perform('listLocations', this.cloudCredRefId, async () => [
      ...new Set(await this.#client.listRegions(signal)),
    ]);
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

  /** What the account's firewall keeps out the machine's own cannot let in: said before anything is bought. */
  async #mustGetThrough({ firewallRules, location }: CreateInstanceAttrs, signal: AbortSignal): Promise<void> {
    if (firewallRules.ingressRules.length === 0) return;
    const closed = keptOut(firewallRules, await this.#client.listFirewallRules(signal), location);
    if (closed.length === 0) return;
    throw new TypeError(`firewallRules.ingressRules: the account’s own firewall keeps out ${closed.join(', ')}`);
  }

  /** 2xx is not success: it lists what it really did. */
  #mustName(ids: readonly string[], cloudId: CloudId, operation: Operation): void {
    if (ids.includes(cloudId)) return;
    const message = `${ID}: ${operation} of ${cloudId}: the answer does not name it`;
    throw new ProviderError({ kind: 'Internal', operation, message });
  }

  #kindOf(error: unknown, operation: Operation) {
    return error instanceof HttpFailure ? judge(error, { operation }).kind : undefined;
  }

  async #perform<T>(operation: Operation, about: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#toError({ operation }, about, error);
    }
  }

  #toError(asked: Asked, about: string, error: unknown): ProviderError {
    const { operation } = asked;
    return toProviderError(error, { provider: ID, operation, about, judge: (failure) => judge(failure, asked) });
  }
}

function toKeyStore(client: LambdaClient): KeyStore {
  return {
    add: (name, publicKey, signal) => client.addSshKey(name, publicKey, signal),
    list: (priority, signal) => client.listSshKeys(priority, signal),
    remove: (keyId, priority, signal) => client.deleteSshKey(keyId, priority, signal),
    // No code is promised for a name that is taken.
    mayBeTaken: ({ status }) => status !== undefined && [400, 409, 422].includes(status),
  };
}

function toKeyUser({ ssh_key_names: keyNames, status = '' }: LambdaInstance): KeyUser {
  return { keyNames, isEnding: STATUS[status] === 'terminating' || STATUS[status] === 'terminated' };
}
