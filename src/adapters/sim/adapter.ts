import type { ErrorKind, ProviderError } from '../../domain/errors.js';
import { type FirewallRules, NO_RULES, sameRules } from '../../domain/firewall.js';
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
} from '../../domain/provider.js';
import type { Size } from '../../domain/size.js';
import { findEarlier } from '../earlier.js';
import { isDefiniteRefusal, notSupported, toProviderError } from '../failures.js';
import { HttpFailure } from '../http-failure.js';
import { collectPages } from '../pages.js';
import type { Priority } from '../rate-limiter.js';
import { changeRules } from '../rule-changes.js';
import { perObject, UnchangedPages } from '../unchanged.js';
import type { SimClient, SimInstance } from './client.js';
import { isCreateRefusal, judge, judgeAction } from './errors.js';
import { ruleDifference, toCloudInstance, toCreateBody, toInstanceType, toSimSize, withIdentity } from './mapping.js';

const ID = 'sim';

export interface SimProviderOptions {
  cloudCredRefId: CloudCredRefId;
  capabilities: readonly Capability[];
  limits: ProviderLimits;
}

type Operation = Exclude<keyof Provider, 'id' | 'cloudCredRefId' | 'capabilities' | 'limits'>;

const ACTIONS: ReadonlySet<Operation> = new Set(['stopInstance', 'startInstance', 'rebootInstance']);

/** Simcloud, in its own dialect. What each operation owes its caller: `domain/provider.ts`. */
export class SimProvider implements Provider {
  readonly id = ID;
  readonly cloudCredRefId: CloudCredRefId;
  readonly capabilities: readonly Capability[];
  readonly limits: ProviderLimits;
  readonly #client: SimClient;
  readonly #unchanged = new UnchangedPages();
  readonly #toListed = perObject((instance: SimInstance) => toCloudInstance(instance, this.capabilities));

  constructor(client: SimClient, { cloudCredRefId, capabilities, limits }: SimProviderOptions) {
    this.#client = client;
    this.cloudCredRefId = cloudCredRefId;
    this.capabilities = capabilities;
    this.limits = limits;
  }

  async createInstance(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<CreateOutcome> {
    try {
      this.#checkSupported(attrs);
      const earlier = await this.#findByRefId(attrs, signal);
      if (earlier) return { outcome: 'exists', instance: earlier, adopted: true };
    } catch (error) {
      // Nothing was sent that creates.
      return { outcome: 'refused', failure: this.#toError('createInstance', attrs.refId, error).fact };
    }
    return this.#create(attrs, signal);
  }

  /**
   * The create itself. We do not read the machine back: a failed read would make a created (and billed) machine look
   * like a failure.
   */
  async #create(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<CreateOutcome> {
    try {
      const body = toCreateBody(attrs, this.capabilities.includes('create-instance-idempotent'));
      const { value, requestId } = await this.#client.createInstance(body, signal);
      const instance = toCloudInstance(value.instance, this.capabilities, attrs);
      return { outcome: 'exists', instance, adopted: false, ...(requestId && { requestId }) };
    } catch (error) {
      const failure = this.#toError('createInstance', attrs.refId, error).fact;
      if (error instanceof HttpFailure && !isDefiniteRefusal(error, isCreateRefusal(error))) {
        return { outcome: 'unknown', failure };
      }
      return { outcome: 'refused', failure };
    }
  }

  async getInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<CloudInstance> {
    return this.#perform('getInstance', cloudId, async () =>
      toCloudInstance(await this.#client.getInstance(cloudId, 'read', signal), this.capabilities),
    );
  }

  async listInstances(signal: AbortSignal): Promise<CloudInstance[]> {
    return this.#perform('listInstances', this.cloudCredRefId, async () => {
      const tag = `${IDENTITY_TAGS.cloudCredRefId}=${this.cloudCredRefId}`;
      const all = await this.#listByTag(tag, 'read', signal, this.#unchanged.begin());
      return all.filter(({ refId }) => refId !== undefined);
    });
  }

  async terminateInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<void> {
    await this.#perform('terminateInstance', cloudId, () =>
      unless('InstanceNotFound', () => this.#client.deleteInstance(cloudId, signal)),
    );
  }

  /** Simcloud itself accepts a stop of what is stopped, and a start of what runs. */
  async stopInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<void> {
    this.#need('stop-start-instance', 'stopInstance');
    await this.#perform('stopInstance', cloudId, () => this.#client.actOnInstance(cloudId, 'stop', signal));
  }

  async startInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<void> {
    this.#need('stop-start-instance', 'startInstance');
    await this.#perform('startInstance', cloudId, () => this.#client.actOnInstance(cloudId, 'start', signal));
  }

  /** While it reboots it is busy, and says so; then the second reboot is the first one. */
  async rebootInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<void> {
    this.#need('reboot-instance', 'rebootInstance');
    await this.#perform('rebootInstance', cloudId, async () => {
      try {
        await this.#client.actOnInstance(cloudId, 'reboot', signal);
      } catch (error) {
        if (kindOf(error) !== 'NotYet') throw error;
        const { status, statusMessage } = await this.#client.getInstance(cloudId, 'provision', signal);
        if (status !== 'running' || statusMessage !== 'rebooting') throw error;
      }
    });
  }

  /** Opens before it closes, so that what both old and new rules allow is never interrupted. */
  async setFirewallRules(
    cloudId: CloudId,
    _location: string,
    rules: FirewallRules,
    signal: AbortSignal,
  ): Promise<void> {
    this.#need('modify-firewall', 'setFirewallRules');
    await this.#perform('setFirewallRules', cloudId, async () => {
      const { add, revoke } = ruleDifference(await this.#client.getFirewallRules(cloudId, signal), rules);
      const opening = add.map((addition) => ({
        change: 'open' as const,
        rule: addition.rule,
        run: () => unless('DuplicateFirewallRule', () => this.#client.addFirewallRule(cloudId, addition, signal)),
      }));
      const closing = revoke.map((rule) => ({
        change: 'close' as const,
        rule,
        run: () => unless('ResourceNotFound', () => this.#client.deleteFirewallRule(cloudId, rule.id, signal)),
      }));
      await changeRules([...opening, ...closing], (error) => this.#toError('setFirewallRules', cloudId, error));
    });
  }

  /** Simcloud replaces all tags at once, so ours are read first and sent along. */
  async updateTags(
    cloudId: CloudId,
    _location: string,
    tags: Record<string, string>,
    signal: AbortSignal,
  ): Promise<void> {
    this.#need('tags', 'updateTags');
    await this.#perform('updateTags', cloudId, async () => {
      const current = toCloudInstance(await this.#client.getInstance(cloudId, 'provision', signal), this.capabilities);
      await this.#client.putTags(cloudId, withIdentity(tags, current), signal);
    });
  }

  async changeInstanceType(
    cloudId: CloudId,
    _location: string,
    instanceType: string,
    signal: AbortSignal,
  ): Promise<void> {
    this.#need('change-instance-type', 'changeInstanceType');
    await this.#perform('changeInstanceType', cloudId, () =>
      this.#client.putInstanceType(cloudId, instanceType, signal),
    );
  }

  async resizeVolume(cloudId: CloudId, _location: string, size: Size, signal: AbortSignal): Promise<void> {
    this.#need('resize-instance-volume', 'resizeVolume');
    await this.#perform('resizeVolume', cloudId, () => this.#client.putDisk(cloudId, toSimSize(size), signal));
  }

  async listInstanceTypes(signal: AbortSignal): Promise<InstanceType[]> {
    return this.#perform('listInstanceTypes', this.cloudCredRefId, async () => {
      const types = await collectPages({
        provider: ID,
        operation: 'listInstanceTypes',
        getPage: async (pageToken) => {
          const { items, nextPageToken } = await this.#client.listInstanceTypes(pageToken, signal);
          return { items: items.map((type) => toInstanceType(type, this.capabilities)), nextPageToken };
        },
        idOf: ({ id }) => id,
      });
      return types.sort((a, b) => (a.id < b.id ? -1 : 1));
    });
  }

  async listLocations(signal: AbortSignal): Promise<string[]> {
    return this.#perform('listLocations', this.cloudCredRefId, async () => [
      ...new Set(await this.#client.listLocations(signal)),
    ]);
  }

  /** A live machine of ours with this refId: this attempt's before another's, then the oldest. */
  async #findByRefId(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<CloudInstance | undefined> {
    const found = await this.#listByTag(`${IDENTITY_TAGS.refId}=${attrs.refId}`, 'provision', signal);
    return findEarlier(found, attrs);
  }

  /** Whole or an error, and this credential's only: the filter may be ignored, and two credentials share an account. */
  async #listByTag(
    tag: string,
    priority: Priority,
    signal: AbortSignal,
    unchanged?: UnchangedPages,
  ): Promise<CloudInstance[]> {
    const all = await collectPages<SimInstance>({
      provider: ID,
      operation: 'listInstances',
      getPage: (pageToken) => this.#client.listInstances({ tag, pageToken }, priority, signal, unchanged),
      idOf: ({ id }) => id,
    });
    return all.map(this.#toListed).filter(({ cloudCredRefId }) => cloudCredRefId === this.cloudCredRefId);
  }

  async #perform<T>(operation: Operation, about: string | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#toError(operation, about, error);
    }
  }

  #toError(operation: Operation, about: string | undefined, error: unknown): ProviderError {
    const isAction = ACTIONS.has(operation);
    return toProviderError(error, { provider: ID, operation, about, judge: isAction ? judgeAction : judge });
  }

  #need(capability: Capability, operation: Operation): void {
    if (!this.capabilities.includes(capability)) throw notSupported(ID, operation, `there is no ${capability} here`);
  }

  /** What this account cannot express is refused by name before anything is created, never dropped. */
  #checkSupported({ imageId, userDataBase64, firewallRules }: CreateInstanceAttrs): void {
    if (imageId !== undefined) this.#need('machine-image', 'createInstance');
    if (userDataBase64 !== undefined) this.#need('instance-userdata', 'createInstance');
    if (!sameRules(firewallRules, NO_RULES)) this.#need('modify-firewall', 'createInstance');
  }
}

/** Does it, and takes this kind of refusal for success: it is so already. */
async function unless(kind: ErrorKind, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (kindOf(error) !== kind) throw error;
  }
}

function kindOf(error: unknown): ErrorKind | undefined {
  return error instanceof HttpFailure ? judge(error).kind : undefined;
}
