import type { InstanceTypeSpec, LocationSpec } from '../catalog.js';
import type { Cloud } from '../cloud.js';
import { CloudError, invalid } from '../errors.js';
import type { Operation } from '../fault-kinds.js';
import type { CallContext, IncomingCall } from '../gate.js';
import type { GrpcAnswer, GrpcMethods } from '../grpc.js';
import { cutPage } from '../paging.js';
import { addOperation, newId, type ShelfOperation, shelfOf, Tokens } from './nebius-account.js';
import { decode, encode } from './nebius-proto.js';
import type { CreateInstance, Paged } from './nebius-requests.js';
import {
  nameTaken,
  projectIdOf,
  TENANT,
  toOperation,
  toRefusalAnswer,
  toStatus,
  toStatusAnswer,
  typeOfResources,
} from './nebius-wire.js';

/*
 * What all of Nebius' services share: a method is read, its caller is known by a token, it passes the gate, and its outcome
 * is put on the wire. What changes something answers with an operation.
 */

/** Thrown by work: a status that the core has no word for. */
export class NameTaken {
  constructor(readonly resourceId: string) {}
}

export const OPERATION = 'nebius.common.v1.Operation';
export const BY_NAME = 'nebius.common.v1.GetByNameRequest';

export type Work<Request> = (
  request: Request,
  context: CallContext,
  key: string | undefined,
) => object | Promise<object>;

export interface Method<Request> {
  request: string;
  reply: string;
  operation: Operation | ((request: Request) => Operation);
  /** Read leniently, before anything is validated: it only decides which faults strike. */
  about?: (request: Request) => IncomingCall['about'];
  work: Work<Request>;
}

export class NebiusServices {
  readonly #tokens: Tokens;
  /** By account and idempotency key. */
  readonly #underWay = new Map<string, Promise<ShelfOperation>>();
  readonly #methods: Record<string, (call: Parameters<GrpcMethods[string]>[0]) => Promise<GrpcAnswer>> = {};

  constructor(readonly cloud: Cloud) {
    this.#tokens = new Tokens(cloud);
    this.#addExchange();
  }

  methods(): GrpcMethods {
    return this.#methods;
  }

  add<Request>(path: string, { request: type, reply, operation, about, work }: Method<Request>): void {
    const inPackage = (name: string): string =>
      name.includes('.') ? name : `${path.slice(0, path.lastIndexOf('.'))}.${name}`;
    this.#methods[`/${path}`] = async ({ requestId, metadata, message }) => {
      const request = tryDecode(inPackage(type), message) as Request | undefined;
      if (!request) return toStatusAnswer({ code: 13, message: 'unreadable request' }, 400);
      const call: IncomingCall = {
        requestId,
        dialect: 'nebius',
        operation: typeof operation === 'function' ? operation(request) : operation,
        endpoint: path,
        apiKey: this.#tokens.apiKeyOf(metadata.authorization),
        about: about?.(request),
      };
      const key = metadata['x-idempotency-key'];
      const idempotencyKey = typeof key === 'string' ? key : undefined;
      return await this.#answer(call, inPackage(reply), (context) => work(request, context, idempotencyKey));
    };
  }

  accepted({ account }: CallContext, resourceId: string, awaits: ShelfOperation['awaits']): object {
    return this.toOperation(addOperation(this.cloud, account, { resourceId, ...(awaits && { awaits }) }));
  }

  /** The same idempotency key has one effect: the operation that it made is answered again. */
  async once(
    { account }: CallContext,
    key: string | undefined,
    work: () => ShelfOperation | Promise<ShelfOperation>,
  ): Promise<object> {
    if (key === undefined) return this.toOperation(await work());
    const shelf = shelfOf(this.cloud, account);
    const earlier = shelf.operations.find(({ id }) => id === shelf.idempotent[key]);
    if (earlier) return this.toOperation(earlier);
    const place = JSON.stringify([account.name, key]);
    const underWay = this.#underWay.get(place) ?? Promise.resolve(work());
    this.#underWay.set(place, underWay);
    try {
      const operation = await underWay;
      shelf.idempotent[key] = operation.id;
      return this.toOperation(operation);
    } finally {
      this.#underWay.delete(place);
    }
  }

  /** How it stands: by its machine, until it has ended. */
  toOperation(operation: ShelfOperation): object {
    if (operation.awaits !== undefined) {
      const record = this.cloud.findMachine(operation.resourceId)?.record;
      if (record?.status === operation.awaits) return toOperation(operation, undefined);
      const hasFailed = record?.status === 'failed';
      const failure = hasFailed && toStatus(new CloudError('internal', record.statusMessage ?? 'it failed'));
      operation.status = encode('google.rpc.Status', failure || {}).toString('base64');
      delete operation.awaits;
      this.cloud.parts.changed();
    }
    return toOperation(operation, decode('google.rpc.Status', Buffer.from(operation.status ?? '', 'base64')) as object);
  }

  locationOf(projectId: string): LocationSpec {
    const location = this.cloud.locations().find(({ name }) => projectIdOf(name) === projectId);
    if (!location) throw new CloudError('resource.not_found', 'there is no such project');
    return location;
  }

  typeOf(asked: CreateInstance | undefined): InstanceTypeSpec {
    const location = this.locationOf(asked?.metadata?.parent_id ?? '').name;

    const type = typeOfResources(this.soldAt(location), asked?.spec?.resources ?? {});
    return type ?? invalid('spec.resources', 'there is no such platform or preset here');
  }

  soldAt(location: string): InstanceTypeSpec[] {
    return this.cloud.parts.catalog.instanceTypes.filter(({ locations }) => locations.includes(location));
  }

  page(items: object[], { page_size: size, page_token: token }: Pick<Paged, 'page_size' | 'page_token'>): object {
    const page = cutPage(items, token, Math.min(size || Number.POSITIVE_INFINITY, this.cloud.parts.pageSize));
    return { items: page.items, next_page_token: page.nextPageToken ?? '' };
  }

  /** The one call without a token. */
  #addExchange(): void {
    const path = 'nebius.iam.v1.TokenExchangeService/Exchange';
    this.#methods[`/${path}`] = async ({ requestId, message }) => {
      const { subject_token: jwt = '' } = (tryDecode('nebius.iam.v1.ExchangeTokenRequest', message) ?? {}) as {
        subject_token?: string;
      };
      const apiKey = this.#tokens.apiKeyOfJwt(jwt);
      const call: IncomingCall = { requestId, dialect: 'nebius', operation: 'other', endpoint: path, apiKey };
      return await this.#answer(call, 'nebius.iam.v1.CreateTokenResponse', ({ account }) =>
        this.#tokens.issue(account),
      );
    };
  }

  async #answer(
    call: IncomingCall,
    reply: string,
    work: (context: CallContext) => object | Promise<object>,
  ): Promise<GrpcAnswer> {
    // The gate knows the core's refusals only.
    let taken: NameTaken | undefined;
    const outcome = await this.cloud.perform(call, async (context) => {
      try {
        return await work(context);
      } catch (error) {
        if (!(error instanceof NameTaken)) throw error;
        taken = error;
        return {};
      }
    });
    switch (outcome.type) {
      case 'done':
        if (taken) return toStatusAnswer(nameTaken(taken.resourceId), 409);
        return { type: 'message', bytes: encode(reply, outcome.value) };
      case 'refused': {
        const isStock = outcome.error.code === 'capacity.out_of_stock' && ['create', 'start'].includes(call.operation);
        // Accepted, and then not: nothing comes of it.
        const resourceId = call.about?.machineId ?? newId('computeinstance');
        const failed = { id: newId('computeoperation'), resourceId, createdAt: this.cloud.parts.clock.now() };
        if (isStock) return { type: 'message', bytes: encode(reply, toOperation(failed, toStatus(outcome.error))) };
        return toRefusalAnswer(outcome.error);
      }
      case 'no-answer':
      case 'garbage':
        return outcome;
    }
  }
}

export function mustBeTenant(id: string): void {
  if (id !== TENANT) throw new CloudError('resource.not_found', 'there is no such tenant');
}

export function busy(id: string): CloudError {
  return new CloudError('instance.busy', `another operation is on ${id}`);
}

function tryDecode(type: string, bytes: Buffer): unknown {
  try {
    return decode(type, bytes);
  } catch {
    return undefined;
  }
}
