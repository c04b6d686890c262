import type { FastifyInstance, FastifyRequest } from 'fastify';
import { typeNamed } from '../catalog.js';
import type { Cloud } from '../cloud.js';
import { readUserData } from '../cloud-init.js';
import { CloudError } from '../errors.js';
import type { Operation } from '../fault-kinds.js';
import type { CallContext, IncomingCall } from '../gate.js';
import { parse } from '../parse.js';
import type { RateLimitOptions } from '../rate-limit.js';
import type { MachineRecord } from '../types.js';
import { bearerToken, type Dialect, sendOutcome } from './dialect.js';
import { addKey, effectiveRules, removeKey, shelfOf } from './lambda-labs-account.js';
import { idsBody, launchBody, renameBody, rulesBody } from './lambda-labs-schemas.js';
import { toImage, toInstance, toInstanceTypes, toRefusal, toRegion } from './lambda-labs-wire.js';

/*
 * Lambda Cloud API 1.10.0 over the core: one envelope, `{ data }` or `{ error: { code, message, suggestion? } }`; no
 * pages, no stop, no tags after the launch; SSH keys are things of their own; one firewall for the whole account, and
 * user data that cloud-init runs.
 *
 * A machine that the provider takes back (`stops-by-itself`) is `preempted` and gone: there is no stopped machine here.
 */
export const lambdaLabsDialect: Dialect = {
  name: 'lambda-labs',
  prefix: '/lambda-labs/api/v1',
  register(app, cloud) {
    const route = routesOf(app, cloud);

    route('GET', '/regions', 'locations', () => cloud.locations().map(toRegion));
    route('GET', '/instance-types', 'types', () => toInstanceTypes(cloud.offers()));
    route('GET', '/images', 'images', () =>
      cloud.locations().flatMap((location) => cloud.images().map((image) => toImage(image, location))),
    );

    route('POST', '/instance-operations/launch', 'create', async (request, context) => ({
      instance_ids: [(await launch(cloud, request.body, context)).id],
    }));
    route('GET', '/instances', 'list', (_request, context) => list(cloud, context).map(shown(cloud, context)));
    route('GET', '/instances/:id', 'get', (request, context) =>
      shown(cloud, context)(cloud.get(idOf(request), context)),
    );
    route('POST', '/instances/:id', 'other', (request, context) => {
      const record = cloud.get(idOf(request), context);
      record.name = parse(renameBody, request.body).name ?? record.name;
      cloud.parts.changed();
      return shown(cloud, context)(record);
    });
    route('POST', '/instance-operations/terminate', 'terminate', (request, context) => ({
      terminated_instances: known(cloud, request, context).map((id) =>
        shown(cloud, context)(cloud.terminate(id, context)),
      ),
    }));
    route('POST', '/instance-operations/restart', 'reboot', (request, context) => ({
      restarted_instances: known(cloud, request, context).map((id) => shown(cloud, context)(cloud.reboot(id, context))),
    }));

    // `workspace_id` stands in no document and broke a strict client once.
    route('GET', '/ssh-keys', 'other', (_request, { account }) =>
      shelfOf(cloud, account).keys.map((key) => ({ ...key, workspace_id: 'default' })),
    );
    route('POST', '/ssh-keys', 'other', (request, { account }) => addKey(cloud, request.body, account));
    route('DELETE', '/ssh-keys/:id', 'other', (request, { account }) => {
      removeKey(cloud, idOf(request), account);
      return {};
    });

    route('GET', '/firewall-rules', 'firewall', (_request, { account }) => shelfOf(cloud, account).rules);
    route('PUT', '/firewall-rules', 'firewall', async (request, context) => {
      const shelf = shelfOf(cloud, context.account);
      shelf.rules = parse(rulesBody, request.body).data;
      for (const { id, location, userDataBase64 } of list(cloud, context)) {
        const { firewall } = readUserData(Buffer.from(userDataBase64 ?? '', 'base64').toString());
        await cloud.setFirewallRules(id, effectiveRules(location, shelf.rules, firewall), context);
      }
      return shelf.rules;
    });
  },
};

/** What Lambda says of itself (2026-11-22): 1 request a second, 1 launch in 12 s. For the option `rateLimits`. */
export const LAMBDA_RATE_LIMIT: RateLimitOptions = {
  requestsPerSecond: 1,
  createsPerMinute: 5,
  burst: 1,
  tellsRetryAfter: false,
};

async function launch(cloud: Cloud, body: unknown, context: CallContext): Promise<MachineRecord> {
  const asked = parse(launchBody, body);
  const { region_name: location, instance_type_name: instanceType, user_data: userData, image } = asked;
  const { locations, instanceTypes } = cloud.parts.catalog;
  if (!locations.some(({ name }) => name === location)) throw unknown('Region', location);
  if (!instanceTypes.some(({ name }) => name === instanceType)) throw unknown('Instance type', instanceType);
  const shelf = shelfOf(cloud, context.account);
  const [keyName = ''] = asked.ssh_key_names;
  const key = shelf.keys.find(({ name }) => name === keyName);
  if (!key) throw unknown('SSH key', keyName);
  const boot = readUserData(userData ?? '');
  const record = await cloud.create(
    {
      name: asked.name ?? '',
      location,
      instanceType,
      ...(image && { imageId: 'id' in image ? image.id : image.family }),
      publicKeys: [key.public_key, ...boot.publicKeys],
      tags: Object.fromEntries(asked.tags.map(({ key, value }) => [key, value])),
      ...(userData !== undefined && { userDataBase64: Buffer.from(userData).toString('base64') }),
      firewallRules: effectiveRules(location, shelf.rules, boot.firewall),
      sshUser: 'ubuntu',
    },
    context,
  );
  shelf.keyNames[record.id] = keyName;
  cloud.parts.changed();
  return record;
}

/** Its wire form is `global/object-does-not-exist`, at a launch. */
function unknown(what: string, name: string): CloudError {
  return new CloudError('resource.not_found', `${what} ${name} does not exist.`);
}

/** There are no pages. A listing that repeats itself has everything twice. */
function list(cloud: Cloud, context: CallContext): MachineRecord[] {
  const { items, nextPageToken } = cloud.list({ pageSize: Number.MAX_SAFE_INTEGER }, context);
  return nextPageToken === undefined ? items : [...items, ...items];
}

/** All of them, or none: an unknown one spoils the call. */
function known(cloud: Cloud, request: FastifyRequest, context: CallContext): string[] {
  const { instance_ids: ids } = parse(idsBody, request.body);
  for (const id of ids) cloud.get(id, context);
  return ids;
}

function shown(cloud: Cloud, context: CallContext): (record: MachineRecord) => ReturnType<typeof toInstance> {
  const { catalog } = cloud.parts;
  const shelf = shelfOf(cloud, context.account);
  return (record) => {
    if (record.status === 'stopped') {
      shelf.preempted.push(record.id);
      cloud.findMachine(record.id)?.terminate();
    }
    return toInstance(record, {
      type: typeNamed(catalog, record.instanceType),
      location: catalog.locations.find(({ name }) => name === record.location),
      keyName: shelf.keyNames[record.id],
      isPreempted: shelf.preempted.includes(record.id),
    });
  };
}

type Work = (request: FastifyRequest, context: CallContext) => unknown;

function routesOf(app: FastifyInstance, cloud: Cloud) {
  // What fastify itself refuses, such as a body that is no JSON.
  app.setErrorHandler(async (error, _request, reply) => {
    const refusal = error instanceof CloudError ? error : new CloudError('internal', String(error));
    const { status, body } = toRefusal(refusal, 'other');
    return reply.code(status).send(body);
  });
  return (method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, operation: Operation, work: Work): void => {
    app.route({
      method,
      url,
      handler: async (request, reply) => {
        const call: IncomingCall = {
          requestId: request.id,
          dialect: 'lambda-labs',
          operation,
          endpoint: `${method} ${url}`,
          apiKey: apiKeyOf(request),
          about: aboutOf(request, operation, cloud),
        };
        const outcome = await cloud.perform(call, (context) => work(request, context));
        const refusal = (error: CloudError) => toRefusal(error, operation);
        await sendOutcome(reply, outcome, { status: 200, body: (data) => ({ data }), refusal });
        return reply;
      },
    });
  };
}

/** Bearer, or Basic with the key for a user name and no password. */
function apiKeyOf(request: FastifyRequest): string | undefined {
  const basic = /^Basic (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  return basic === undefined ? bearerToken(request) : Buffer.from(basic, 'base64').toString().replace(/:$/, '');
}

/** Read leniently, before anything is validated: it only decides which faults strike. */
function aboutOf(request: FastifyRequest, operation: Operation, cloud: Cloud): IncomingCall['about'] {
  const body = (request.body ?? {}) as Partial<Record<string, unknown>>;
  if (operation === 'create') {
    const tags = toTags(body.tags);
    const [name, location, instanceType] = [body.name, body.region_name, body.instance_type_name].map(textOf);
    return { key: tags[cloud.parts.ledger.refIdTag] ?? name, tags, name, location, instanceType };
  }
  const [machineId] = Array.isArray(body.instance_ids) ? body.instance_ids.map(textOf) : [idOf(request) || undefined];
  if (operation === 'other') return { key: textOf(body.name) };
  return machineId === undefined ? {} : { machineId };
}

function toTags(value: unknown): Record<string, string> {
  if (!Array.isArray(value)) return {};
  return Object.fromEntries(value.map((tag) => [String(tag?.key), String(tag?.value)]));
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function idOf(request: FastifyRequest): string {
  return (request.params as { id?: string }).id ?? '';
}
