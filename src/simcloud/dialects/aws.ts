import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Cloud } from '../cloud.js';
import type { CloudError } from '../errors.js';
import type { Operation } from '../fault-kinds.js';
import type { IncomingCall } from '../gate.js';
import { cutPage, pageNumber } from '../paging.js';
import type { Account } from '../types.js';
import {
  type Action,
  type Ask,
  always,
  done,
  filtersOf,
  pageSizeOf,
  specifiedTags,
  tagsIn,
  toTagQuery,
} from './aws-ask.js';
import { describeImages, describeOfferings, describeTypes } from './aws-catalog.js';
import {
  authorize,
  createGroup,
  deleteGroup,
  type Group,
  groupAt,
  groupXml,
  refreshUsers,
  revoke,
  shelfOf,
  usersOf,
  VPC_ID,
} from './aws-groups.js';
import { describeInstances, named, power, runInstances } from './aws-instances.js';
import { answerXml, errorXml, nodeAt, parseQuery, type QueryNode, textAt, textsAt, type Xml } from './aws-query.js';
import { Ec2Refusal, missing, toRefusal } from './aws-refusals.js';
import { isSignedWith, readSignature, type Signature } from './aws-signature.js';
import { toMachineId } from './aws-wire.js';
import { type Dialect, sendOutcome } from './dialect.js';

/*
 * Amazon EC2 over the core: one address for every region, for a request's signature says which it is for. An account's
 * API key is its secret access key; its access key id follows from that. A client token works as at AWS: a create
 * repeated returns the machine made before. New machines are missing from look-ups by id, too, for the listing lag.
 */
export const awsDialect: Dialect = {
  name: 'aws',
  prefix: '/aws',
  register(app, cloud) {
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string' },
      async (_: unknown, body: string) => body,
    );
    route(app, cloud);
  },
};

export function accessKeyIdOf(apiKey: string): string {
  return `AKIA${createHash('sha256').update(apiKey).digest('hex').slice(0, 16).toUpperCase()}`;
}

/** What EC2 can do here; all else is an `InvalidAction`. */
const ACTIONS: Readonly<Record<string, Action>> = {
  RunInstances: { operation: always('create'), work: runInstances },
  DescribeInstances: { operation: ({ InstanceId }) => (InstanceId ? 'get' : 'list'), work: describeInstances },
  TerminateInstances: power('terminate', (ask, id) => ask.cloud.terminate(id, ask.context)),
  StopInstances: power('stop', (ask, id) => ask.cloud.stop(id, ask.context)),
  StartInstances: power('start', (ask, id) => ask.cloud.start(id, ask.context)),
  RebootInstances: {
    operation: always('reboot'),
    work: (ask) => {
      for (const { id, statusMessage } of named(ask))
        if (statusMessage !== 'rebooting') ask.cloud.reboot(id, ask.context);
      return done;
    },
  },
  ModifyInstanceAttribute: {
    operation: always('change-type'),
    work: ({ cloud, params, context }) => {
      const type = textAt(nodeAt(params, 'InstanceType'), 'Value') ?? missing('InstanceType');
      cloud.changeInstanceType(textAt(params, 'InstanceId') ?? '', type, context);
      return done;
    },
  },
  ModifyVolume: {
    operation: always('resize-disk'),
    work: ({ cloud, params, context }) => {
      const volumeId = textAt(params, 'VolumeId') ?? missing('VolumeId');
      const size = Number(textAt(params, 'Size'));
      cloud.resizeDisk(toMachineId(volumeId), { value: size, unit: 'GiB' }, context);
      return { volumeModification: { volumeId, modificationState: 'modifying', targetSize: size } };
    },
  },
  CreateTags: {
    operation: always('tags'),
    work: (ask) => {
      const added = tagsIn(ask.params);
      for (const { id, tags } of named(ask, 'ResourceId')) ask.cloud.setTags(id, { ...tags, ...added }, ask.context);
      return done;
    },
  },
  DeleteTags: {
    operation: always('tags'),
    work: (ask) => {
      const removed = new Set(Object.keys(tagsIn(ask.params)));
      for (const { id, tags } of named(ask, 'ResourceId')) {
        const left = Object.entries(tags).filter(([key]) => !removed.has(key));
        ask.cloud.setTags(id, Object.fromEntries(left), ask.context);
      }
      return done;
    },
  },
  CreateSecurityGroup: {
    operation: always('other'),
    work: ({ cloud, params, region, context }) => {
      const name = textAt(params, 'GroupName') ?? missing('GroupName');
      const description = textAt(params, 'GroupDescription') ?? missing('GroupDescription');
      const tags = specifiedTags(params, 'security-group');
      const group = createGroup(cloud, context.account, { name, description, region, tags });
      return { ...done, groupId: group.id };
    },
  },
  DescribeSecurityGroups: { operation: always('other'), work: describeGroups },
  DeleteSecurityGroup: {
    operation: always('other'),
    work: (ask) => {
      deleteGroup(ask.cloud, ask.context.account, groupIn(ask));
      return done;
    },
  },
  AuthorizeSecurityGroupIngress: ruleChange((group, params) => authorize(group, 'ingress', params)),
  AuthorizeSecurityGroupEgress: ruleChange((group, params) => authorize(group, 'egress', params)),
  RevokeSecurityGroupIngress: ruleChange((group, params) => revoke(group, 'ingress', params)),
  RevokeSecurityGroupEgress: ruleChange((group, params) => revoke(group, 'egress', params)),
  DescribeImages: { operation: always('images'), work: describeImages },
  DescribeInstanceTypes: { operation: always('types'), work: describeTypes },
  DescribeInstanceTypeOfferings: { operation: always('types'), work: describeOfferings },
};

function route(app: FastifyInstance, cloud: Cloud): void {
  app.post('/', async (request, reply) => {
    const body = typeof request.body === 'string' ? request.body : '';
    const { action, params } = parseQuery(body);
    const claim = readSignature(request.headers.authorization);
    const account = cloud.parts.accounts.find(({ apiKey }) => accessKeyIdOf(apiKey) === claim?.accessKeyId);
    const isSigned = claim !== undefined && account !== undefined && isTrue(claim, account, request, body);
    const known = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
    const operation = known?.operation(params) ?? 'other';
    const region = claim?.region ?? '';
    const call: IncomingCall = {
      requestId: request.id,
      dialect: 'aws',
      operation,
      endpoint: `POST ${action}`,
      apiKey: isSigned ? account.apiKey : undefined,
      about: aboutOf(cloud, account, operation, region, params),
    };
    const outcome = await cloud.perform(call, async (context) => {
      if (!known) throw new Ec2Refusal('InvalidAction', `The action ${action} is not valid for this web service.`);
      return await known.work({ cloud, params, region, context });
    });
    reply.header('content-type', 'text/xml;charset=UTF-8').header('x-amzn-requestid', request.id);
    await sendOutcome(reply, outcome, {
      status: 200,
      body: (value) => answerXml(action, request.id, value),
      refusal: (error) => {
        const { status, code, message } = refusalOf(error, operation, account !== undefined);
        return { status, body: errorXml(request.id, code, message), contentType: 'text/xml;charset=UTF-8' };
      },
    });
    return reply;
  });
}

function isTrue(claim: Signature, account: Account, request: FastifyRequest, body: string): boolean {
  const { method, headers, url } = request;
  return isSignedWith(account.apiKey, claim, { method, headers, path: url.split('?')[0] ?? '', body });
}

function refusalOf(error: CloudError, operation: Operation, isKnownAccount: boolean) {
  if (error.code !== 'auth.invalid_key') return toRefusal(error, operation);
  const message = isKnownAccount
    ? 'The request signature we calculated does not match the signature you provided.'
    : 'AWS was not able to validate the provided access credentials';
  return isKnownAccount
    ? { status: 403, code: 'SignatureDoesNotMatch', message }
    : { status: 401, code: 'AuthFailure', message };
}

/** Read leniently, before anything is validated: it only decides which faults strike. */
function aboutOf(
  cloud: Cloud,
  account: Account | undefined,
  operation: Operation,
  region: string,
  params: QueryNode,
): IncomingCall['about'] {
  const { refIdTag } = cloud.parts.ledger;
  if (operation === 'create') {
    const tags = specifiedTags(params, 'instance');
    const key = tags[refIdTag] ?? textAt(params, 'ClientToken');
    return { key, tags, name: tags.Name, location: region, instanceType: textAt(params, 'InstanceType') };
  }
  if (operation === 'list') {
    const tags = toTagQuery(params);
    return { key: tags[refIdTag], tags, location: region, page: pageNumber(textAt(params, 'NextToken')) };
  }
  if (operation === 'firewall' && account) {
    const group = shelfOf(cloud, account).groups.find(({ id }) => id === textAt(params, 'GroupId'));
    const user = group && usersOf(cloud, account, group)[0];
    return user ? { machineId: user.id } : { key: textAt(params, 'GroupId') };
  }
  const volumeId = textAt(params, 'VolumeId');
  const ids = [...textsAt(params, 'InstanceId'), ...textsAt(params, 'ResourceId')];
  return { machineId: ids[0] ?? textAt(params, 'InstanceId') ?? (volumeId && toMachineId(volumeId)) };
}

function groupIn({ cloud, params, region, context }: Ask): Group {
  return groupAt(cloud, context.account, region, textAt(params, 'GroupId'));
}

function ruleChange(change: (group: Group, params: QueryNode) => void): Action {
  return {
    operation: always('firewall'),
    work: async (ask) => {
      const group = groupIn(ask);
      change(group, ask.params);
      await refreshUsers(ask.cloud, ask.context, group);
      return done;
    },
  };
}

function describeGroups(ask: Ask): { [name: string]: Xml } {
  const { cloud, params, region, context } = ask;
  const fields: Record<string, (group: Group) => string> = {
    'group-id': ({ id }) => id,
    'group-name': ({ name }) => name,
    'vpc-id': () => VPC_ID,
  };
  const all = shelfOf(cloud, context.account).groups.filter((group) => group.region === region);
  const found = filtersOf(params).reduce(
    (left, [name, values]) =>
      left.filter((group) => {
        const value = name.startsWith('tag:') ? group.tags[name.slice(4)] : fields[name]?.(group);
        return value !== undefined && values.includes(value);
      }),
    all,
  );
  const { items, nextPageToken } = cutPage(found, textAt(params, 'NextToken'), pageSizeOf(ask, 5));
  return { securityGroupInfo: items.map(groupXml), nextToken: nextPageToken };
}
