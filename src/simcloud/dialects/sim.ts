import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Cloud, MachineQuery, Offer, QuotaView } from '../cloud.js';
import { readUserData } from '../cloud-init.js';
import { type CloudError, REFUSALS } from '../errors.js';
import type { Operation } from '../fault-kinds.js';
import type { CallContext, IncomingCall } from '../gate.js';
import { cutPage, type Page, pageNumber } from '../paging.js';
import { parse } from '../parse.js';
import type { MachineRecord, NewFirewallRules } from '../types.js';
import { bearerToken, type Dialect, sendOutcome } from './dialect.js';
import {
  addFirewallBody,
  createBody,
  diskBody,
  firewallBody,
  instanceTypeBody,
  listQuery,
  pageQuery,
  tagsBody,
} from './sim-schemas.js';

/*
 * The cloud's own dialect: JSON over HTTP, every capability there is. Instances answer as `{ instance }`, pages as
 * `{ instances, nextPageToken? }`, errors as `{ error: { code, message, field? } }` with the statuses of `errors.ts`.
 */
export const simDialect: Dialect = {
  name: 'sim',
  prefix: '/sim/v1',
  register(app, cloud) {
    const route = routesOf(app, cloud);

    route('GET', '/locations', 'locations', 200, () => ({ locations: cloud.locations() }));
    route('GET', '/images', 'images', 200, () => ({ images: cloud.images() }));
    route('GET', '/quotas', 'quotas', 200, (_request, context) => ({ quotas: cloud.quotas(context).map(toQuota) }));
    route('GET', '/instance-types', 'types', 200, (request) => {
      const { location, pageToken } = parse(pageQuery, request.query);
      const { items, nextPageToken } = cutPage(cloud.offers({ location }), pageToken, cloud.parts.pageSize);
      return { instanceTypes: items.map(toInstanceType), nextPageToken };
    });

    route('POST', '/instances', 'create', 201, async (request, context) =>
      shown(await create(cloud, request.body, context)),
    );
    route('GET', '/instances', 'list', 200, (request, context) =>
      toPage(cloud.list(toQuery(request), context), toInstanceOf(cloud)),
    );
    route('GET', '/instances/:id', 'get', 200, (request, context) => shown(cloud.get(idOf(request), context)));
    route('DELETE', '/instances/:id', 'terminate', 202, (request, context) =>
      shown(cloud.terminate(idOf(request), context)),
    );
    route('POST', '/instances/:id/stop', 'stop', 202, (request, context) => shown(cloud.stop(idOf(request), context)));
    route('POST', '/instances/:id/start', 'start', 202, (request, context) =>
      shown(cloud.start(idOf(request), context)),
    );
    route('POST', '/instances/:id/reboot', 'reboot', 202, (request, context) =>
      shown(cloud.reboot(idOf(request), context)),
    );

    route('PUT', '/instances/:id/tags', 'tags', 200, (request, context) =>
      shown(cloud.setTags(idOf(request), parse(tagsBody, request.body).tags, context)),
    );
    route('PUT', '/instances/:id/firewall-rules', 'firewall', 200, async (request, context) =>
      shown(await cloud.setFirewallRules(idOf(request), parse(firewallBody, request.body), context)),
    );
    route('POST', '/instances/:id/firewall-rules', 'firewall', 201, async (request, context) =>
      shown(await cloud.addFirewallRules(idOf(request), toAddedRules(request.body), context)),
    );
    route('DELETE', '/instances/:id/firewall-rules/:ruleId', 'firewall', 200, async (request, context) =>
      shown(await cloud.removeFirewallRule(idOf(request), paramOf(request, 'ruleId'), context)),
    );
    route('PUT', '/instances/:id/instance-type', 'change-type', 200, (request, context) =>
      shown(cloud.changeInstanceType(idOf(request), parse(instanceTypeBody, request.body).instanceType, context)),
    );
    route('PUT', '/instances/:id/disk', 'resize-disk', 200, (request, context) =>
      shown(cloud.resizeDisk(idOf(request), parse(diskBody, request.body).diskSize, context)),
    );

    function shown(record: MachineRecord): { instance: SimInstance } {
      return { instance: toInstanceOf(cloud)(record) };
    }
  },
};

/** Of user data the keys that it lets in are believed; the firewall here is the cloud's own. */
async function create(cloud: Cloud, body: unknown, context: CallContext): Promise<MachineRecord> {
  const spec = parse(createBody, body);
  const { publicKeys } = readUserData(Buffer.from(spec.userDataBase64 ?? '', 'base64').toString());
  return await cloud.create({ ...spec, publicKeys: [...spec.publicKeys, ...publicKeys] }, context);
}

type Work = (request: FastifyRequest, context: CallContext) => unknown;

function routesOf(app: FastifyInstance, cloud: Cloud) {
  return (
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    url: string,
    operation: Operation,
    status: number,
    work: Work,
  ): void => {
    app.route({
      method,
      url,
      handler: async (request, reply: FastifyReply) => {
        const call: IncomingCall = {
          requestId: request.id,
          dialect: 'sim',
          operation,
          endpoint: `${method} ${url}`,
          apiKey: bearerToken(request),
          about: aboutOf(request, operation, cloud),
        };
        const outcome = await cloud.perform(call, (context) => work(request, context));
        await sendOutcome(reply, outcome, { status, body: (value) => value, refusal: toRefusal });
        return reply;
      },
    });
  };
}

/** Read leniently, before anything is validated: it only decides which faults strike. */
function aboutOf(request: FastifyRequest, operation: Operation, cloud: Cloud): IncomingCall['about'] {
  const { refIdTag } = cloud.parts.ledger;
  if (operation === 'create') {
    const { name, location, instanceType, tags, clientToken } = (request.body ?? {}) as Partial<
      Record<string, unknown>
    >;
    const known = isTags(tags) ? tags : {};
    const key = [known[refIdTag], clientToken, name].find((part) => typeof part === 'string');
    return { key, tags: known, name: textOf(name), location: textOf(location), instanceType: textOf(instanceType) };
  }
  if (operation === 'list' || operation === 'types') {
    const { tag, location, pageToken } = request.query as Partial<Record<string, string | string[]>>;
    const tags = toTags([tag ?? []].flat());
    return { key: tags[refIdTag], tags, location: textOf(location), page: pageNumber(textOf(pageToken)) };
  }
  const { id } = request.params as { id?: string };
  return { machineId: id };
}

function isTags(value: unknown): value is Record<string, string> {
  return typeof value === 'object' && value !== null && Object.values(value).every((one) => typeof one === 'string');
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function idOf(request: FastifyRequest): string {
  return paramOf(request, 'id');
}

function paramOf(request: FastifyRequest, name: string): string {
  return (request.params as Record<string, string>)[name] ?? '';
}

function toQuery(request: FastifyRequest): MachineQuery {
  const { tag, location, pageToken } = parse(listQuery, request.query);
  return { tags: toTags(tag), location, pageToken };
}

/** `key=value`; the value may hold `=`. */
function toTags(pairs: string[]): Record<string, string> {
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

function toAddedRules(body: unknown): NewFirewallRules {
  const added = parse(addFirewallBody, body);
  if (!('direction' in added)) return added;
  const { direction, ...rule } = added;
  return direction === 'ingress' ? { ingressRules: [rule] } : { egressRules: [rule] };
}

/** An instance as this dialect shows it. `publicAddress` is absent until it has run; times are ISO 8601. */
export interface SimInstance
  extends Pick<
    MachineRecord,
    | 'id'
    | 'name'
    | 'status'
    | 'statusMessage'
    | 'location'
    | 'subLocation'
    | 'instanceType'
    | 'sshUser'
    | 'sshPort'
    | 'tags'
  > {
  publicAddress?: string;
  privateAddress?: string;
  createdAt: string;
  firewallRules: MachineRecord['firewallRules'];
  imageId: string;
  diskSize: MachineRecord['diskSize'];
  pricePerHour: MachineRecord['pricePerHour'];
  stoppable: boolean;
  rebootable: boolean;
}

function toInstanceOf(cloud: Cloud): (record: MachineRecord) => SimInstance {
  return (record) => {
    const { id, name, status, statusMessage, location, subLocation, instanceType, sshUser, sshPort, tags } = record;
    const { firewallRules, imageId, diskSize, pricePerHour, address, privateAddress, bootedAt, createdAt } = record;
    const { stoppable, rebootable } = cloud.typeOf(record);
    const hasAddress = bootedAt !== undefined && status !== 'terminated';
    return {
      id,
      name,
      status,
      statusMessage,
      location,
      subLocation,
      instanceType,
      ...(hasAddress ? { publicAddress: address, privateAddress } : {}),
      sshUser,
      sshPort,
      createdAt: new Date(createdAt).toISOString(),
      tags,
      firewallRules,
      imageId,
      diskSize,
      pricePerHour,
      stoppable,
      rebootable,
    };
  };
}

function toPage({ items, nextPageToken }: Page<MachineRecord>, toInstance: (record: MachineRecord) => SimInstance) {
  return { instances: items.map(toInstance), nextPageToken };
}

function toInstanceType({ type, location, available }: Offer) {
  const { locations: _elsewhere, stock: _secret, ...shape } = type;
  return {
    id: `${location.name}/${type.name}`,
    ...shape,
    location: location.name,
    subLocation: location.subLocation,
    available,
  };
}

function toQuota({ location, maximum, current }: QuotaView) {
  const id = `instances-${location ?? 'all'}`;
  return { id, name: `Instances (${location ?? 'all locations'})`, location, maximum, current, unit: 'instances' };
}

function toRefusal({ code, message, details }: CloudError): { status: number; body: unknown } {
  return { status: REFUSALS[code], body: { error: { code, message, field: details.field } } };
}
