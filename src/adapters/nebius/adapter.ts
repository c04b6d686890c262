import { setTimeout as sleep } from 'node:timers/promises';
import type { ErrorKind, ProviderError } from '../../domain/errors.js';
import type { CloudCredRefId, CloudId } from '../../domain/ids.js';
import {
  type Capability,
  type CloudInstance,
  type CreateInstanceAttrs,
  type CreateOutcome,
  IDENTITY_TAGS,
  type InstanceType,
  type LifecycleStatus,
  type Provider,
  type ProviderLimits,
  type SideResource,
} from '../../domain/provider.js';
import { findEarlier } from '../earlier.js';
import { notSupported } from '../failures.js';
import { LaunchQueue } from '../launch-queue.js';
import type { Priority } from '../rate-limiter.js';
import type { Reply } from './channels.js';
import { type NebiusClient, toIdempotencyKey } from './client.js';
import {
  ID,
  isAboutImage,
  isBusy,
  isCreateRefusal,
  isNameTaken,
  kindOf,
  type Operation,
  toProviderError,
} from './errors.js';
import { GrpcFailure, readStatus } from './grpc-failure.js';
import { toResourceName, withTags } from './identity.js';
import { type Launch, splitTypeName, toCloudInstance, toLaunch, toPendingInstance, toTime } from './mapping.js';
import { Availability, Prices, toInstanceTypes } from './offers.js';
import { OrphanDisks, type OrphanTiming } from './orphan-disks.js';
import type { Places, Project } from './places.js';
import type { NebiusInstance, NebiusOperation } from './schemas.js';

const CAPABILITIES = [
  'create-instance',
  'create-instance-idempotent',
  'terminate-instance',
  'instance-userdata',
  'tags',
  'stop-start-instance',
  'machine-image',
  'change-instance-type',
] as const satisfies readonly Capability[];

export interface NebiusProviderOptions {
  cloudCredRefId: CloudCredRefId;
  tenantId: string;
  limits: ProviderLimits;
  sshPort: number;
  /** How long an accepted create or start is watched for a failure that comes right after, in ms; 0: not at all. */
  acceptMs: number;
  orphanTiming?: OrphanTiming;
}

/** How often the operation of a create is looked at meanwhile, and its remains after a failure, in ms. */
const LOOK_MS = 1_000;
/** How long what a failed create has left may take to go, in ms; after that nobody knows, and it is looked for. */
const UNDO_MS = 20_000;

/** Nebius AI Cloud. What each operation owes its caller: `domain/provider.ts`. */
export class NebiusProvider implements Provider {
  readonly id = ID;
  readonly cloudCredRefId: CloudCredRefId;
  readonly capabilities: readonly Capability[] = CAPABILITIES;
  readonly firewall = 'host';
  readonly limits: ProviderLimits;
  readonly orphanDisks: OrphanDisks;
  readonly #client: NebiusClient;
  readonly #places: Places;
  readonly #prices: Prices;
  readonly #queue: LaunchQueue;
  readonly #options: NebiusProviderOptions;
  /** What each machine was when it was last seen other than `UPDATING`. */
  readonly #lastKnown = new Map<CloudId, LifecycleStatus>();

  constructor(client: NebiusClient, places: Places, options: NebiusProviderOptions) {
    this.#client = client;
    this.#places = places;
    this.#prices = new Prices(client);
    this.#options = options;
    this.cloudCredRefId = options.cloudCredRefId;
    this.limits = options.limits;
    this.#queue = new LaunchQueue(ID, options.limits.createsPerMinute);
    this.orphanDisks = new OrphanDisks(client, options.cloudCredRefId, options.orphanTiming);
  }

  // Create.

  async createInstance(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<CreateOutcome> {
    return await this.#queue.run(() => this.#lookAndCreate(attrs, signal));
  }

  async #lookAndCreate(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<CreateOutcome> {
    let launch: Launch;
    let project: Project;
    let subnetId: string;
    try {
      launch = toLaunch(attrs);
      project = await this.#places.projectAt(attrs.location, signal);
      const earlier = findEarlier(await this.#list('provision', signal), attrs);
      if (earlier) return { outcome: 'exists', instance: earlier, adopted: true };
      subnetId = await this.#places.subnetOf(project, signal);
    } catch (error) {
      // Nothing was sent that creates.
      return { outcome: 'refused', failure: this.#toError('createInstance', attrs.refId, error).fact };
    }
    return await this.#create(attrs, launch, project, subnetId, signal);
  }

  /** One call makes the machine and its disk; after an error nothing is left, unless the answer itself was lost. */
  async #create(
    attrs: CreateInstanceAttrs,
    launch: Launch,
    project: Project,
    subnetId: string,
    signal: AbortSignal,
  ): Promise<CreateOutcome> {
    const key = toIdempotencyKey(this.cloudCredRefId, attrs.attemptKey, project.id);
    let accepted: Reply<NebiusOperation>;
    try {
      accepted = await this.#client.createInstance(launch({ projectId: project.id, subnetId }), key, signal);
    } catch (error) {
      if (error instanceof GrpcFailure && isNameTaken(error))
        return await this.#adoptNamed(attrs, project, error, signal);
      const isUnknown = error instanceof GrpcFailure && !isCreateRefusal(error);
      return { outcome: isUnknown ? 'unknown' : 'refused', failure: this.#createFailure(attrs, error).fact };
    }
    const { value: operation, requestId } = accepted;
    const cloudId = operation.resource_id;
    const failed = await this.#failureSoon(operation, 'InstanceService/Create', signal);
    if (failed) {
      const isGone = cloudId === '' || (await this.#remove(cloudId));
      return { outcome: isGone ? 'refused' : 'unknown', failure: this.#createFailure(attrs, failed).fact };
    }
    if (cloudId === '') {
      const unreadable = new GrpcFailure('InstanceService/Create names no instance', {
        reason: 'unreadable',
        sent: 'maybe',
      });
      return { outcome: 'unknown', failure: this.#createFailure(attrs, unreadable).fact };
    }
    const setting = { sshPort: this.#options.sshPort, region: project.region };
    const instance = toPendingInstance(attrs, cloudId, toTime(operation.created_at), setting);
    return { outcome: 'exists', instance, adopted: false, ...(requestId && { requestId }) };
  }

  /** Names are the attempts' own: who has ours is what we made before, though no listing may show it yet. */
  async #adoptNamed(
    attrs: CreateInstanceAttrs,
    project: Project,
    taken: GrpcFailure,
    signal: AbortSignal,
  ): Promise<CreateOutcome> {
    try {
      const named = await this.#client.getInstanceByName(project.id, toResourceName(attrs), signal);
      const instance = await this.#toInstance(named, 'provision', signal);
      const isOurs = (['refId', 'cloudCredRefId', 'attemptKey'] as const).every((key) => instance[key] === attrs[key]);
      if (!isOurs) return { outcome: 'refused', failure: this.#createFailure(attrs, taken).fact };
      if (instance.status !== 'terminating') return { outcome: 'exists', instance, adopted: true };
      // It is on its way out, and its name becomes free.
      return { outcome: 'refused', failure: this.#createFailure(attrs, taken, 'ServiceUnavailable').fact };
    } catch {
      return { outcome: 'unknown', failure: this.#createFailure(attrs, taken).fact };
    }
  }

  /**
   * What became of an operation, as far as it can be told soon: want of stock comes after the call was accepted. Whoever
   * waits no longer, or cannot look, takes it for accepted.
   */
  async #failureSoon(operation: NebiusOperation, about: string, signal: AbortSignal): Promise<GrpcFailure | undefined> {
    const until = Date.now() + this.#options.acceptMs;
    let latest = operation;
    try {
      while (latest.status === undefined && latest.id !== '' && Date.now() < until) {
        await sleep(Math.min(LOOK_MS, until - Date.now()), undefined, { signal });
        latest = await this.#client.getOperation(operation.id, signal);
      }
    } catch {
      // It was accepted, whatever becomes of our looking.
    }
    const status = readStatus(latest.status);
    if (!status || status.code === 0) return undefined;
    return new GrpcFailure(`the operation of ${about} failed`, { reason: 'status', sent: 'maybe', status });
  }

  /** Takes away what a failed create has left. @returns whether it is gone for certain. */
  async #remove(cloudId: CloudId): Promise<boolean> {
    const signal = AbortSignal.timeout(UNDO_MS);
    try {
      for (;;) {
        await this.#terminate(cloudId, signal);
        try {
          await this.#client.getInstance(cloudId, 'end', signal);
        } catch (error) {
          if (error instanceof GrpcFailure && kindOf(error, 'getInstance') === 'InstanceNotFound') return true;
          throw error;
        }
        await sleep(LOOK_MS, undefined, { signal });
      }
    } catch {
      return false;
    }
  }

  /** Boot disks that carry our labels: Nebius takes each away with its machine. */
  async listSideResources(signal: AbortSignal): Promise<SideResource[]> {
    return this.#perform('listSideResources', this.cloudCredRefId, async () => {
      const projects = await this.#places.projects('read', signal);
      const disks = await Promise.all(projects.map(({ id }) => this.#client.listDisks(id, signal)));
      return disks
        .flat()
        .filter(({ metadata: { labels } }) => labels[IDENTITY_TAGS.cloudCredRefId] === this.cloudCredRefId)
        .filter(({ status }) => status?.state !== 'DELETING')
        .map(({ metadata: { id, labels } }) => {
          const refId = labels[IDENTITY_TAGS.refId];
          return { kind: 'disk', name: id, ...(refId && { refId }) };
        });
    });
  }

  // One machine.

  async getInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<CloudInstance> {
    return this.#perform('getInstance', cloudId, async () => {
      const instance = await this.#toInstance(await this.#client.getInstance(cloudId, 'read', signal), 'read', signal);
      if (instance.status !== 'failed') return instance;
      const why = await this.#whyFailed(cloudId, signal);
      return { ...instance, ...(why && { statusMessage: why }) };
    });
  }

  async terminateInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<void> {
    await this.#perform('terminateInstance', cloudId, () => this.#terminate(cloudId, signal));
  }

  async #terminate(cloudId: CloudId, signal: AbortSignal): Promise<void> {
    try {
      await this.#client.deleteInstance(cloudId, signal);
    } catch (error) {
      if (error instanceof GrpcFailure && kindOf(error, 'terminateInstance') === 'InstanceNotFound') return;
      if (await this.#isAlready(cloudId, ['DELETING'], error, signal)) return;
      throw error;
    }
  }

  async stopInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<void> {
    await this.#perform('stopInstance', cloudId, async () => {
      try {
        await this.#client.stopInstance(cloudId, signal);
      } catch (error) {
        if (!(await this.#isAlready(cloudId, ['STOPPING', 'STOPPED'], error, signal))) throw error;
      }
    });
  }

  async startInstance(cloudId: CloudId, _location: string, signal: AbortSignal): Promise<void> {
    await this.#perform('startInstance', cloudId, async () => {
      try {
        const operation = await this.#client.startInstance(cloudId, signal);
        const failed = await this.#failureSoon(operation, 'InstanceService/Start', signal);
        if (failed) throw failed;
      } catch (error) {
        if (!(await this.#isAlready(cloudId, ['STARTING', 'RUNNING'], error, signal))) throw error;
      }
    });
  }

  /** Nebius refuses what is done or under way; a repeated order is done all the same. */
  async #isAlready(cloudId: CloudId, states: string[], refusal: unknown, signal: AbortSignal): Promise<boolean> {
    if (!(refusal instanceof GrpcFailure) || !isBusy(refusal)) return false;
    try {
      const { status } = await this.#client.getInstance(cloudId, 'read', signal);
      return states.includes(status?.state ?? '');
    } catch {
      return false; // the refusal stands
    }
  }

  async rebootInstance(): Promise<void> {
    throw notSupported(
      ID,
      'rebootInstance',
      'Nebius has no reboot; a stop gives the GPUs back, and a start may not get them',
    );
  }

  async setFirewallRules(): Promise<void> {
    throw notSupported(ID, 'setFirewallRules', 'the firewall is the machine’s own; rules come with the create');
  }

  async resizeVolume(): Promise<void> {
    throw notSupported(ID, 'resizeVolume', 'the boot disk belongs to its machine and cannot be changed');
  }

  async updateTags(
    cloudId: CloudId,
    _location: string,
    tags: Record<string, string>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#perform('updateTags', cloudId, async () => {
      const { metadata } = await this.#client.getInstance(cloudId, 'provision', signal);
      const { id, resource_version, labels } = metadata;
      // With the version that we read: who changed the labels meanwhile is not overwritten.
      const version = resource_version ? { resource_version } : {};
      await this.#client.updateInstance({ metadata: { id, ...version, labels: withTags(labels, tags) } }, signal);
    });
  }

  /** Another preset of the same platform, while it is stopped. */
  async changeInstanceType(
    cloudId: CloudId,
    _location: string,
    instanceType: string,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#perform('changeInstanceType', cloudId, async () => {
      const { platform, preset } = splitTypeName(instanceType);
      const { metadata, spec } = await this.#client.getInstance(cloudId, 'provision', signal);
      const { platform: current = '', preset: before } = spec?.resources ?? {};
      if (current === platform && before === preset) return;
      if (platform !== current) throw new TypeError(`instanceType: a machine of ${current} stays one`);
      const known = await this.#client.getPlatform(metadata.parent_id, platform, signal);
      if (!known.spec.presets.some(({ name }) => name === preset)) {
        throw new TypeError(`instanceType: ${platform} has no preset ${JSON.stringify(preset.slice(0, 100))}`);
      }
      if (!known.spec.allow_preset_change) {
        throw notSupported(ID, 'changeInstanceType', `machines of ${platform} keep their preset`);
      }
      await this.#client.updateInstance(
        { metadata: { id: cloudId }, spec: { resources: { platform, preset } } },
        signal,
      );
    });
  }

  // Lists.

  async listInstances(signal: AbortSignal): Promise<CloudInstance[]> {
    return this.#perform('listInstances', this.cloudCredRefId, () => this.#list('read', signal));
  }

  /** Whole or an error, and this credential's only: projects are shared with other people. */
  async #list(priority: Priority, signal: AbortSignal): Promise<CloudInstance[]> {
    const startedAt = Date.now();
    const projects = await this.#places.projects(priority, signal);
    const all: NebiusInstance[] = [];
    for (const { id } of projects) all.push(...(await this.#client.listInstances(id, priority, signal)));
    this.orphanDisks.afterListing(projects, all, startedAt);
    const ours = all.filter(({ metadata: { labels } }) => {
      return labels[IDENTITY_TAGS.refId] && labels[IDENTITY_TAGS.cloudCredRefId] === this.cloudCredRefId;
    });
    const listed = await Promise.all(ours.map((one) => this.#toInstance(one, priority, signal)));
    const ids = new Set(listed.map(({ cloudId }) => cloudId));
    for (const id of this.#lastKnown.keys()) if (!ids.has(id)) this.#lastKnown.delete(id);
    return listed;
  }

  async listInstanceTypes(signal: AbortSignal): Promise<InstanceType[]> {
    return this.#perform('listInstanceTypes', this.cloudCredRefId, async () => {
      const { tenantId } = this.#options;
      const projects = uniqueRegions(await this.#places.projects('catalog', signal));
      const quotas = await this.#client.listQuotas(tenantId, signal);
      const availability = new Availability(quotas, await this.#client.listAdvice(tenantId, signal));
      const types: InstanceType[] = [];
      for (const project of projects) {
        const platforms = await this.#client.listPlatforms(project.id, signal);
        const here = platforms.flatMap((platform) => toInstanceTypes(platform, project, availability));
        const priced = here.map(async (type) => {
          const pricePerHour = await this.#prices.of(project, type.instanceType, signal);
          return { ...type, ...(pricePerHour && { pricePerHour }) };
        });
        types.push(...(await Promise.all(priced)));
      }
      return types.sort((a, b) => (a.id < b.id ? -1 : 1));
    });
  }

  async listLocations(signal: AbortSignal): Promise<string[]> {
    return this.#perform('listLocations', this.cloudCredRefId, async () => {
      const projects = await this.#places.projects('catalog', signal);
      return uniqueRegions(projects).map(({ region }) => region);
    });
  }

  // Inside.

  async #toInstance(nebius: NebiusInstance, priority: Priority, signal: AbortSignal): Promise<CloudInstance> {
    const { id, parent_id: projectId } = nebius.metadata;
    const region = await this.#places.regionOf(projectId, priority, signal);
    const lastKnown = this.#lastKnown.get(id);
    const setting = { sshPort: this.#options.sshPort, region, ...(lastKnown && { lastKnown }) };
    const instance = toCloudInstance(nebius, setting);
    this.#lastKnown.set(id, instance.status);
    const project = { id: projectId, name: '', region };
    const pricePerHour = await this.#prices.of(project, instance.instanceType, signal);
    return { ...instance, ...(pricePerHour && { pricePerHour }) };
  }

  /** The newest of its operations that failed, in our words and theirs; undefined where that cannot be told. */
  async #whyFailed(cloudId: CloudId, signal: AbortSignal): Promise<string | undefined> {
    try {
      const operations = await this.#client.listOperations(cloudId, signal);
      const failures = operations.flatMap((operation) => {
        const status = readStatus(operation.status);
        return status && status.code !== 0 ? [{ at: toTime(operation.created_at), status }] : [];
      });
      const [newest] = failures.sort((a, b) => (a.at < b.at ? 1 : -1));
      if (!newest) return undefined;
      const failure = new GrpcFailure('an operation failed', {
        reason: 'status',
        sent: 'maybe',
        status: newest.status,
      });
      const { kind, fact } = this.#toError('createInstance', cloudId, failure);
      return `its last operation failed: ${[kind, fact.providerCode].filter(Boolean).join(', ')}`;
    } catch {
      return undefined;
    }
  }

  #createFailure(attrs: CreateInstanceAttrs, error: unknown, kind?: ErrorKind): ProviderError {
    const isImage = error instanceof GrpcFailure && isAboutImage(error, attrs.imageId);
    return this.#toError('createInstance', attrs.refId, error, kind ?? (isImage ? 'ImageNotFound' : undefined));
  }

  async #perform<T>(operation: Operation, about: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#toError(operation, about, error);
    }
  }

  #toError(operation: Operation, about: string, error: unknown, kind?: ErrorKind): ProviderError {
    return toProviderError(error, operation, about, kind);
  }
}

/** The first project of each region, by region: types and prices are the region's. */
function uniqueRegions(projects: readonly Project[]): Project[] {
  const first = new Map<string, Project>();
  for (const project of projects) if (!first.has(project.region)) first.set(project.region, project);
  return [...first.values()].sort((a, b) => (a.region < b.region ? -1 : 1));
}
