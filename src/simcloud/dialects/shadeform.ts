import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { typeNamed } from '../catalog.js';
import type { Cloud } from '../cloud.js';
import { readUserData } from '../cloud-init.js';
import { CloudError, invalid } from '../errors.js';
import type { Operation } from '../fault-kinds.js';
import type { CallContext, IncomingCall } from '../gate.js';
import { parse } from '../parse.js';
import { isPublicKey } from '../ssh-server.js';
import type { Account, MachineRecord } from '../types.js';
import { type Dialect, sendOutcome } from './dialect.js';
import { CLOUD, newId, toInfo, toInstance, toInstanceType, toRefusal, toTagRecord } from './shadeform-wire.js';

/*
 * Shadeform API v1 over the core: a broker of one cloud, `simcloud`. No pages, no filters on instances, no stop; tags are
 * strings; SSH keys are things of their own, unique by name, and none in use can be deleted; a deleted machine is
 * neither listed nor found. A launch script is the only way to say anything to a machine.
 */
export const shadeformDialect: Dialect = {
  name: 'shadeform',
  prefix: '/shadeform/v1',
  register(app, cloud) {
    const route = routesOf(app, cloud);

    route('GET', '/instances/types', 'types', () => {
      const offers = cloud.offers();
      const types = new Map(offers.map((offer) => [offer.type.name, offer]));
      return { instance_types: [...types.values()].map((offer) => toInstanceType(offer, offers)) };
    });

    route('POST', '/instances/create', 'create', async (request, context) => ({
      id: (await create(cloud, request.body, context)).id,
    }));
    route('GET', '/instances', 'list', (_request, context) => ({
      instances: list(cloud, context).map((record) => toInstance(record, typeOf(cloud, record))),
    }));
    route('GET', '/instances/:id/info', 'get', (request, context) => {
      const record = alive(cloud, request, context);
      return toInfo(record, typeOf(cloud, record), shelfOf(cloud, context.account).keyIds[record.id] ?? '');
    });
    route('POST', '/instances/:id/delete', 'terminate', (request, context) => {
      cloud.terminate(alive(cloud, request, context).id, context);
    });
    route('POST', '/instances/:id/restart', 'reboot', (request, context) => {
      const { id, statusMessage } = alive(cloud, request, context);
      if (statusMessage !== 'rebooting') cloud.reboot(id, context); // the second is taken like the first
    });
    route('POST', '/instances/:id/update', 'tags', (request, context) => {
      const { id } = alive(cloud, request, context);
      const { name, tags } = parse(updateBody, request.body);
      if (tags) cloud.setTags(id, toTagRecord(tags), context);
      if (name !== undefined) cloud.get(id, context).name = name;
      cloud.parts.changed();
    });

    route('GET', '/sshkeys', 'other', (_request, { account }) => ({
      ssh_keys: shelfOf(cloud, account).keys,
    }));
    route('POST', '/sshkeys/add', 'other', (request, { account }) => ({ id: addKey(cloud, request.body, account) }));
    route('POST', '/sshkeys/:id/delete', 'other', (request, context) => removeKey(cloud, idOf(request), context));
  },
};

const createBody = z.object({
  cloud: z.string(),
  region: z.string(),
  shade_instance_type: z.string(),
  shade_cloud: z.boolean(),
  name: z.string().min(1),
  os: z.string().optional(),
  ssh_key_id: z.string().optional(),
  tags: z.array(z.string()).default([]),
  launch_configuration: z
    .object({
      type: z.literal('script'),
      script_configuration: z.object({ base64_script: z.base64() }),
    })
    .optional(),
});
const updateBody = z.object({ name: z.string().optional(), tags: z.array(z.string()).optional() });
const addKeyBody = z.object({ name: z.string().min(1), public_key: z.string().min(1) });

/** What an account has besides machines. */
interface Shelf {
  keys: { id: string; name: string; public_key: string; is_default: boolean }[];
  /** The key that each machine was made with. */
  keyIds: Record<string, string>;
}

function shelfOf(cloud: Cloud, account: Account): Shelf {
  return cloud.shelfOf('shadeform', account, () => ({ keys: [], keyIds: {} }));
}

async function create(cloud: Cloud, body: unknown, context: CallContext): Promise<MachineRecord> {
  const asked = parse(createBody, body);
  const { locations } = cloud.parts.catalog;
  // A region that does not exist is said to be out of stock as well.
  if (asked.cloud !== CLOUD || !locations.some(({ name }) => name === asked.region)) {
    throw new CloudError('capacity.out_of_stock', 'The requested instance type is out of stock.');
  }
  const shelf = shelfOf(cloud, context.account);
  const key = shelf.keys.find(({ id }) => id === asked.ssh_key_id) ?? invalid('ssh_key_id', 'there is no such SSH key');
  const script = asked.launch_configuration?.script_configuration.base64_script;
  const boot = readUserData(Buffer.from(script ?? '', 'base64').toString());
  const everything = { ingressRules: [{ fromPort: 1, toPort: 65_535 }] };
  const record = await cloud.create(
    {
      name: asked.name,
      location: asked.region,
      instanceType: asked.shade_instance_type,
      ...(asked.os !== undefined && { imageId: asked.os }),
      publicKeys: [key.public_key, ...boot.publicKeys],
      tags: toTagRecord(asked.tags),
      ...(script !== undefined && { userDataBase64: script }),
      firewallRules: boot.firewall ?? everything,
      sshUser: 'shadeform',
    },
    context,
  );
  shelf.keyIds[record.id] = key.id;
  cloud.parts.changed();
  return record;
}

/** Without what is deleted. There are no pages; a listing that repeats itself has everything twice. */
function list(cloud: Cloud, context: CallContext): MachineRecord[] {
  const { items, nextPageToken } = cloud.list({ pageSize: Number.MAX_SAFE_INTEGER }, context);
  const shown = items.filter(({ status }) => status !== 'terminated');
  return nextPageToken === undefined ? shown : [...shown, ...shown];
}

function alive(cloud: Cloud, request: FastifyRequest, context: CallContext): MachineRecord {
  const record = cloud.get(idOf(request), context);
  if (record.status === 'terminated') throw new CloudError('instance.not_found', 'instance not found');
  return record;
}

function typeOf(cloud: Cloud, record: MachineRecord) {
  return typeNamed(cloud.parts.catalog, record.instanceType);
}

function addKey(cloud: Cloud, body: unknown, account: Account): string {
  const { name, public_key } = parse(addKeyBody, body);
  const { keys } = shelfOf(cloud, account);
  if (keys.some((key) => key.name === name)) throw new CloudError('request.invalid', 'ssh key name must be unique');
  if (!isPublicKey(public_key)) invalid('public_key', 'not a public key in OpenSSH format');
  const id = newId();
  keys.push({ id, name, public_key, is_default: false });
  cloud.parts.changed();
  return id;
}

function removeKey(cloud: Cloud, keyId: string, context: CallContext): void {
  const shelf = shelfOf(cloud, context.account);
  if (!shelf.keys.some(({ id }) => id === keyId)) throw new CloudError('resource.not_found', 'ssh key not found');
  const users = Object.entries(shelf.keyIds).filter(([, id]) => id === keyId);
  const isUsed = users.some(([machineId]) => {
    const status = cloud.findMachine(machineId)?.record.status;
    return status !== undefined && status !== 'terminated';
  });
  if (isUsed) throw new CloudError('request.invalid', 'ssh key is in use');
  shelf.keys = shelf.keys.filter(({ id }) => id !== keyId);
  cloud.parts.changed();
}

type Work = (request: FastifyRequest, context: CallContext) => unknown;

function routesOf(app: FastifyInstance, cloud: Cloud) {
  // What fastify itself refuses, such as a body that is no JSON.
  app.setErrorHandler(async (error, _request, reply) => {
    const refusal = error instanceof CloudError ? error : new CloudError('internal', String(error));
    const { status, body } = toRefusal(refusal);
    return reply.code(status).send(body);
  });
  return (method: 'GET' | 'POST', url: string, operation: Operation, work: Work): void => {
    app.route({
      method,
      url,
      handler: async (request, reply) => {
        const key = request.headers['x-api-key'];
        const call: IncomingCall = {
          requestId: request.id,
          dialect: 'shadeform',
          operation,
          endpoint: `${method} ${url}`,
          apiKey: typeof key === 'string' ? key : undefined,
          about: aboutOf(request, operation, cloud),
        };
        const outcome = await cloud.perform(call, (context) => work(request, context));
        // No value, no body: deletes, restarts and updates answer with nothing.
        await sendOutcome(reply, outcome, { status: 200, body: (value) => value, refusal: toRefusal });
        return reply;
      },
    });
  };
}

/** Read leniently, before anything is validated: it only decides which faults strike. */
function aboutOf(request: FastifyRequest, operation: Operation, cloud: Cloud): IncomingCall['about'] {
  const body = (request.body ?? {}) as Partial<Record<string, unknown>>;
  const [name, location, instanceType] = [body.name, body.region, body.shade_instance_type].map(textOf);
  if (operation === 'create') {
    const tags = toTagRecord(Array.isArray(body.tags) ? body.tags.map(String) : []);
    return { key: tags[cloud.parts.ledger.refIdTag] ?? name, tags, name, location, instanceType };
  }
  if (operation === 'other') return { key: name };
  return idOf(request) === '' ? {} : { machineId: idOf(request) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function idOf(request: FastifyRequest): string {
  return (request.params as { id?: string }).id ?? '';
}
