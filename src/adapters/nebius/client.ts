import { createHash } from 'node:crypto';
import { status as STATUS } from '@grpc/grpc-js';
import { z } from 'zod';
import { collectPages } from '../pages.js';
import { LeftQueue, type Priority, RateLimiter, type RateLimits } from '../rate-limiter.js';
import type { Channels, Reply, Rpc } from './channels.js';
import { shortNameOf } from './channels.js';
import { GrpcFailure } from './grpc-failure.js';
import {
  advice,
  disk,
  estimate,
  instance,
  type NebiusAdvice,
  type NebiusDisk,
  type NebiusInstance,
  type NebiusOperation,
  type NebiusPlatform,
  type NebiusProject,
  type NebiusQuota,
  type NebiusSubnet,
  operation,
  platform,
  project,
  quota,
  subnet,
} from './schemas.js';
import type { TokenSource } from './token.js';

const COMPUTE = 'nebius.compute.v1';
const COMMON = 'nebius.common.v1';

function rpc(host: string, method: string, request: string, reply: string): Rpc {
  const inPackage = (type: string): string =>
    type.includes('.') ? type : `${method.slice(0, method.lastIndexOf('.'))}.${type}`;
  return { host, method, request: inPackage(request), reply: inPackage(reply) };
}

const OPERATION = `${COMMON}.Operation`;
const BY_NAME = `${COMMON}.GetByNameRequest`;

/** Every method that we call; hosts and messages as the vendor names them. */
export const RPCS = {
  listInstances: rpc('compute', `${COMPUTE}.InstanceService/List`, 'ListInstancesRequest', 'ListInstancesResponse'),
  getInstance: rpc('compute', `${COMPUTE}.InstanceService/Get`, 'GetInstanceRequest', 'Instance'),
  getInstanceByName: rpc('compute', `${COMPUTE}.InstanceService/GetByName`, BY_NAME, 'Instance'),
  createInstance: rpc('compute', `${COMPUTE}.InstanceService/Create`, 'CreateInstanceRequest', OPERATION),
  updateInstance: rpc('compute', `${COMPUTE}.InstanceService/Update`, 'UpdateInstanceRequest', OPERATION),
  deleteInstance: rpc('compute', `${COMPUTE}.InstanceService/Delete`, 'DeleteInstanceRequest', OPERATION),
  startInstance: rpc('compute', `${COMPUTE}.InstanceService/Start`, 'StartInstanceRequest', OPERATION),
  stopInstance: rpc('compute', `${COMPUTE}.InstanceService/Stop`, 'StopInstanceRequest', OPERATION),
  getOperation: rpc('compute', `${COMMON}.OperationService/Get`, 'GetOperationRequest', OPERATION),
  listOperations: rpc('compute', `${COMMON}.OperationService/List`, 'ListOperationsRequest', 'ListOperationsResponse'),
  listDisks: rpc('compute', `${COMPUTE}.DiskService/List`, 'ListDisksRequest', 'ListDisksResponse'),
  deleteDisk: rpc('compute', `${COMPUTE}.DiskService/Delete`, 'DeleteDiskRequest', OPERATION),
  listPlatforms: rpc('compute', `${COMPUTE}.PlatformService/List`, 'ListPlatformsRequest', 'ListPlatformsResponse'),
  getPlatformByName: rpc('compute', `${COMPUTE}.PlatformService/GetByName`, BY_NAME, 'Platform'),
  listSubnets: rpc('vpc', 'nebius.vpc.v1.SubnetService/List', 'ListSubnetsRequest', 'ListSubnetsResponse'),
  listProjects: rpc('cpl.iam', 'nebius.iam.v1.ProjectService/List', 'ListProjectsRequest', 'ListProjectsResponse'),
  estimate: rpc(
    'api.calculator.billing-data-plane',
    'nebius.billing.v1alpha1.CalculatorService/Estimate',
    'EstimateRequest',
    'EstimateResponse',
  ),
  listQuotas: rpc(
    'quota-dispatcher.billing-cpl',
    'nebius.quotas.v1.QuotaAllowanceService/List',
    'ListQuotaAllowancesRequest',
    'ListQuotaAllowancesResponse',
  ),
  listAdvice: rpc(
    'capacity-advisor.billing-cpl',
    'nebius.capacity.v1.ResourceAdviceService/List',
    'ListResourceAdviceRequest',
    'ListResourceAdviceResponse',
  ),
} as const;

/** As the create sends it: the vendor's own field names. */
export interface CreateInstanceMessage {
  metadata: { parent_id: string; name: string; labels: Record<string, string> };
  spec: object;
}

interface Ask<T> {
  rpc: Rpc;
  message: object;
  reply: z.ZodType<T>;
  priority: Priority;
  isCreate?: boolean;
  /** Of a call that changes something: the same key has one effect. */
  idempotencyKey?: string;
}

const PAGE_SIZE = 100;
const QUOTA_PAGE_SIZE = 1_000;

/** Nebius' API: one function per method. */
export class NebiusClient {
  readonly #channels: Channels;
  readonly #tokens: TokenSource;
  readonly #limiter: RateLimiter;

  /** @param onCreateAnswered See `AdapterDeps`. */
  constructor(
    channels: Channels,
    tokens: TokenSource,
    limits: RateLimits,
    private readonly onCreateAnswered: () => void = () => undefined,
  ) {
    this.#channels = channels;
    this.#tokens = tokens;
    this.#limiter = new RateLimiter(limits);
  }

  listInstances(projectId: string, priority: Priority, signal: AbortSignal): Promise<NebiusInstance[]> {
    return this.#pages(RPCS.listInstances, instance, { parent_id: projectId }, idOf, priority, signal);
  }

  async getInstance(id: string, priority: Priority, signal: AbortSignal): Promise<NebiusInstance> {
    return (await this.#send({ rpc: RPCS.getInstance, message: { id }, reply: instance, priority }, signal)).value;
  }

  async getInstanceByName(projectId: string, name: string, signal: AbortSignal): Promise<NebiusInstance> {
    const message = { parent_id: projectId, name };
    const ask = { rpc: RPCS.getInstanceByName, message, reply: instance, priority: 'provision' } as const;
    return (await this.#send(ask, signal)).value;
  }

  /** Names are unique in a project, and so is an attempt's key: whoever asks twice makes one machine. */
  createInstance(
    message: CreateInstanceMessage,
    idempotencyKey: string,
    signal: AbortSignal,
  ): Promise<Reply<NebiusOperation>> {
    const ask = { rpc: RPCS.createInstance, message, reply: operation, priority: 'provision' } as const;
    return this.#send({ ...ask, isCreate: true, idempotencyKey }, signal);
  }

  /**
   * Changes what the message holds and nothing else: without `X-ResetMask` a field at its default stays as it is. A map
   * is replaced as a whole.
   */
  async updateInstance(message: object, signal: AbortSignal): Promise<void> {
    await this.#send({ rpc: RPCS.updateInstance, message, reply: operation, priority: 'provision' }, signal);
  }

  async deleteInstance(id: string, signal: AbortSignal): Promise<void> {
    await this.#send({ rpc: RPCS.deleteInstance, message: { id }, reply: operation, priority: 'end' }, signal);
  }

  async startInstance(id: string, signal: AbortSignal): Promise<NebiusOperation> {
    const ask = { rpc: RPCS.startInstance, message: { id }, reply: operation, priority: 'provision' } as const;
    return (await this.#send(ask, signal)).value;
  }

  async stopInstance(id: string, signal: AbortSignal): Promise<void> {
    await this.#send({ rpc: RPCS.stopInstance, message: { id }, reply: operation, priority: 'end' }, signal);
  }

  /** Of the compute service: an operation lives where it was made. */
  async getOperation(id: string, signal: AbortSignal): Promise<NebiusOperation> {
    const ask = { rpc: RPCS.getOperation, message: { id }, reply: operation, priority: 'read' } as const;
    return (await this.#send(ask, signal)).value;
  }

  /** The first page of them. */
  async listOperations(resourceId: string, signal: AbortSignal): Promise<NebiusOperation[]> {
    const message = { resource_id: resourceId, page_size: PAGE_SIZE };
    const reply = z.object({ operations: z.array(operation).default([]) });
    return (await this.#send({ rpc: RPCS.listOperations, message, reply, priority: 'read' }, signal)).value.operations;
  }

  listDisks(projectId: string, signal: AbortSignal): Promise<NebiusDisk[]> {
    return this.#pages(RPCS.listDisks, disk, { parent_id: projectId }, idOf, 'catalog', signal);
  }

  async deleteDisk(id: string, signal: AbortSignal): Promise<void> {
    await this.#send({ rpc: RPCS.deleteDisk, message: { id }, reply: operation, priority: 'end' }, signal);
  }

  listPlatforms(projectId: string, signal: AbortSignal): Promise<NebiusPlatform[]> {
    return this.#pages(RPCS.listPlatforms, platform, { parent_id: projectId }, nameOf, 'catalog', signal);
  }

  async getPlatform(projectId: string, name: string, signal: AbortSignal): Promise<NebiusPlatform> {
    const message = { parent_id: projectId, name };
    const ask = { rpc: RPCS.getPlatformByName, message, reply: platform, priority: 'provision' } as const;
    return (await this.#send(ask, signal)).value;
  }

  listSubnets(projectId: string, signal: AbortSignal): Promise<NebiusSubnet[]> {
    return this.#pages(RPCS.listSubnets, subnet, { parent_id: projectId }, idOf, 'provision', signal);
  }

  listProjects(tenantId: string, priority: Priority, signal: AbortSignal): Promise<NebiusProject[]> {
    return this.#pages(RPCS.listProjects, project, { parent_id: tenantId }, idOf, priority, signal);
  }

  /** What an hour of a machine of this shape costs, in USD, as a decimal string. */
  async estimate(projectId: string, resources: object, signal: AbortSignal): Promise<string> {
    const spec = { metadata: { parent_id: projectId, name: 'estimate' }, spec: { resources } };
    const message = { resource_spec: { compute_instance_spec: spec } };
    const ask = { rpc: RPCS.estimate, message, reply: estimate, priority: 'catalog' } as const;
    return (await this.#send(ask, signal)).value.hourly_cost.general.total.cost;
  }

  listQuotas(tenantId: string, signal: AbortSignal): Promise<NebiusQuota[]> {
    const idOfQuota = ({ metadata, spec }: NebiusQuota): string => `${metadata.name} ${spec.region}`;
    return this.#pages(RPCS.listQuotas, quota, { parent_id: tenantId }, idOfQuota, 'catalog', signal, QUOTA_PAGE_SIZE);
  }

  listAdvice(tenantId: string, signal: AbortSignal): Promise<NebiusAdvice[]> {
    const idOfAdvice = ({ metadata, spec }: NebiusAdvice): string => {
      const { platform, preset } = spec?.compute_instance ?? {};
      return JSON.stringify([metadata.id, spec?.region, spec?.fabric, platform, preset?.name]);
    };
    return this.#pages(RPCS.listAdvice, advice, { parent_id: tenantId }, idOfAdvice, 'catalog', signal);
  }

  #pages<T>(
    rpc: Rpc,
    item: z.ZodType<T>,
    message: object,
    idOf: (item: T) => string,
    priority: Priority,
    signal: AbortSignal,
    pageSize = PAGE_SIZE,
  ): Promise<T[]> {
    const reply = z.object({ items: z.array(item).default([]), next_page_token: z.string().default('') });
    return collectPages({
      provider: 'nebius',
      operation: shortNameOf(rpc),
      getPage: async (pageToken = '') => {
        const page = { ...message, page_size: pageSize, page_token: pageToken };
        const { value } = await this.#send({ rpc, message: page, reply, priority }, signal);
        return { items: value.items, ...(value.next_page_token && { nextPageToken: value.next_page_token }) };
      },
      idOf,
    });
  }

  /** @throws {GrpcFailure} for everything but an answer of the agreed form. */
  async #send<T>(ask: Ask<T>, signal: AbortSignal): Promise<Reply<T>> {
    const turn = { priority: ask.priority, isCreate: ask.isCreate, signal };
    let token: string | undefined;
    const attempt = (): Promise<Reply<T>> =>
      this.#limiter.run(async () => {
        token = await this.#token(ask.rpc, token);
        return await this.#exchange(ask, token, signal);
      }, turn);
    try {
      return await attempt().catch((failure: unknown) => {
        // The call itself was refused: that has done nothing. A token that cannot be had is no reason to ask again.
        const isStale = failure instanceof GrpcFailure && failure.sent === 'maybe' && isUnauthenticated(failure);
        if (isStale) return attempt();
        throw failure;
      });
    } catch (failure) {
      if (!(failure instanceof LeftQueue)) throw failure;
      const why = `${shortNameOf(ask.rpc)}: ${failure.message}`;
      throw new GrpcFailure(why, { reason: 'cancelled', sent: 'not-sent' });
    }
  }

  async #exchange<T>(ask: Ask<T>, token: string, signal: AbortSignal): Promise<Reply<T>> {
    const { rpc, message, reply, idempotencyKey } = ask;
    const metadata = { authorization: `Bearer ${token}`, 'x-idempotency-key': idempotencyKey };
    try {
      const answer = await this.#channels.call({ rpc, message, reply, metadata }, signal);
      if (ask.isCreate) this.#mayBeLost(rpc);
      return answer;
    } catch (failure) {
      const isLimit = failure instanceof GrpcFailure && failure.status?.errors.some(isTooMany);
      if (isLimit) this.#limiter.pause(failure.retryAfterMs, ask.isCreate === true);
      throw failure;
    }
  }

  /** What it throws stands for a connection that broke just now. */
  #mayBeLost(rpc: Rpc): void {
    try {
      this.onCreateAnswered();
    } catch {
      const why = `${shortNameOf(rpc)}: the connection broke before its answer was read`;
      throw new GrpcFailure(why, { reason: 'connection', sent: 'maybe' });
    }
  }

  /** The call for the token failed: the call itself never left. */
  async #token(rpc: Rpc, refused: string | undefined): Promise<string> {
    try {
      return await this.#tokens.get(refused);
    } catch (failure) {
      if (!(failure instanceof GrpcFailure)) throw failure;
      const { reason, status, requestId, message } = failure;
      throw new GrpcFailure(`token for ${shortNameOf(rpc)}: ${message}`, {
        reason,
        sent: 'not-sent',
        status,
        requestId,
      });
    }
  }
}

/** A random-looking UUID, as Nebius advises, and the same for the same words in every process. */
export function toIdempotencyKey(...words: string[]): string {
  const hex = createHash('sha256').update(JSON.stringify(words)).digest('hex');
  return [8, 4, 4, 4, 12]
    .map((length, index, all) => {
      const from = all.slice(0, index).reduce((sum, one) => sum + one, 0);
      return hex.slice(from, from + length);
    })
    .join('-');
}

function isUnauthenticated({ status }: GrpcFailure): boolean {
  return status?.code === STATUS.UNAUTHENTICATED;
}

function isTooMany({ detail }: { detail?: string }): boolean {
  return detail === 'too_many_requests';
}

function idOf({ metadata }: { metadata: { id: string } }): string {
  return metadata.id;
}

function nameOf({ metadata }: { metadata: { name: string } }): string {
  return metadata.name;
}
