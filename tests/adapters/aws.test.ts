import { describe, expect, it } from 'vitest';
import { KIND_BY_CODE } from '../../src/adapters/aws/errors.js';
import { FAILED_REASONS, STATUS, toClientToken } from '../../src/adapters/aws/mapping.js';
import { keyNameOf } from '../../src/adapters/key-names.js';
import { createProviders, getProvider } from '../../src/adapters/registry.js';
import type { ErrorKind } from '../../src/domain/errors.js';
import type { CreateInstanceAttrs, LifecycleStatus } from '../../src/domain/provider.js';
import {
  type Answer,
  CREDENTIAL,
  instanceXml,
  NOTHING,
  ok,
  READY,
  raw,
  reservations,
  type Shape,
  said,
  scriptedEc2,
  TAGS,
  tagsXml,
} from './aws-script.js';
import { attrsFor, calm, openProvider, PUBLIC_KEY } from './clouds.js';

/* What is AWS's own: its tables, its odd answers, the bugs that others have. The rest is in the contract suite. */

const ATTRS: CreateInstanceAttrs = attrsFor('ref-1', {
  location: 'us-east-1',
  subLocation: 'us-east-1b',
  instanceType: 'g5.xlarge',
  cloudCredRefId: 'aws-main',
});
const HTML = '<html><body>502 Bad Gateway</body></html>';

const seen = async (shape: Shape) =>
  await scriptedEc2({ DescribeInstances: reservations(instanceXml(shape)) }).provider.getInstance(
    'i-1',
    'us-east-1',
    calm,
  );
const create = async (answers: Record<string, Answer | Answer[]> = {}, change: Partial<CreateInstanceAttrs> = {}) => {
  const script = scriptedEc2({ ...READY, ...answers });
  return { ...script, outcome: await script.provider.createInstance({ ...ATTRS, ...change }, calm) };
};

describe('the status table', () => {
  const ROWS: [string, LifecycleStatus][] = [
    ['pending', 'pending'],
    ['running', 'running'],
    ['shutting-down', 'terminating'],
    ['terminated', 'terminated'],
    ['stopping', 'stopping'],
    ['stopped', 'stopped'],
  ];

  it('has a row for every word in this test, and no other', () => {
    expect(STATUS).toEqual(Object.fromEntries(ROWS));
  });

  it.each(ROWS)('reads %s as %s, in the list and in get alike', async (state, status) => {
    const shape = { state, tags: { ...TAGS, 'slipway-attempt': '' } }; // no attempt: no group to ask for
    const answers = { DescribeInstances: reservations(instanceXml(shape)), DescribeSecurityGroups: ok() };
    const { provider } = scriptedEc2(answers);
    expect(await provider.getInstance('i-1', 'us-east-1', calm)).toMatchObject({ status });
    expect(await provider.listInstances(calm)).toMatchObject([{ status }]);
  });

  it('reads a word that it does not know as pending, and quotes it', async () => {
    expect(await seen({ state: 'hibernating' })).toMatchObject({
      status: 'pending',
      statusMessage: expect.stringContaining('"hibernating"'),
    });
  });

  const reason = (code: string) => ({
    more: `<stateReason><code>${code}</code><message>${code}: it says</message></stateReason>`,
  });

  it.each([...FAILED_REASONS])('reads stopped with %s as failed: a start that broke inside', async (code) => {
    expect(await seen({ state: 'stopped', ...reason(code) })).toMatchObject({
      status: 'failed',
      statusMessage: `${code}: it says`,
    });
  });

  it('says why a machine ended before it ran', async () => {
    const more = reason('Client.VolumeLimitExceeded');
    expect(await seen({ state: 'shutting-down', ...more })).toMatchObject({
      status: 'terminating',
      statusMessage: expect.stringContaining('VolumeLimitExceeded'),
    });
  });

  it.each(['Client.UserInitiatedShutdown', ''])('does not talk of %j, the reason that every stop has', async (code) => {
    const instance = await seen({ state: 'stopped', ...reason(code) });
    expect(instance.status).toBe('stopped');
    expect(instance).not.toHaveProperty('statusMessage');
  });
});

describe('the error table', () => {
  /** What a look says; what a create says if that differs; and whether the create is refused for certain. */
  const ROWS: [what: string, answer: Answer, ErrorKind, 'refused' | 'unknown', created?: ErrorKind][] = [
    ...Object.entries(KIND_BY_CODE).map(
      ([code, kind]) =>
        [
          code,
          said(400, code),
          kind,
          'refused',
          /^Invalid(?:SecurityGroupID|Group)\.NotFound$/.test(code)
            ? 'ServiceUnavailable'
            : kind === 'ResourceNotFound'
              ? 'InvalidRequest'
              : kind,
        ] as [string, Answer, ErrorKind, 'refused', ErrorKind],
    ),
    ['capacity, which comes as 500', said(500, 'InsufficientInstanceCapacity'), 'InsufficientResources', 'refused'],
    ['throttling, which comes as 503', said(503, 'RequestLimitExceeded'), 'RateLimited', 'refused'],
    [
      'a code as the command line writes it',
      said(500, 'Server.InsufficientInstanceCapacity'),
      'InsufficientResources',
      'refused',
    ],
    ['a new capacity code', said(500, 'InsufficientQuantumCapacity'), 'InsufficientResources', 'refused'],
    ['a new limit', said(400, 'QuantumLimitExceeded'), 'OutOfQuota', 'refused'],
    [
      'a new kind of thing that is not there',
      said(400, 'InvalidQuantum.NotFound'),
      'ResourceNotFound',
      'refused',
      'InvalidRequest',
    ],
    [
      'a private image of somebody’s',
      said(400, 'AuthFailure', 'Not authorized for images: [ami-1]'),
      'ImageNotFound',
      'refused',
    ],
    ['a token used for another request', said(400, 'IdempotentParameterMismatch'), 'Internal', 'unknown'],
    ['a token whose machine ended', said(400, 'IdempotentInstanceTerminated'), 'Internal', 'unknown'],
    ['a code that nobody knows', said(400, 'Quantum'), 'InvalidRequest', 'refused'],
    ['InternalError', said(500, 'InternalError'), 'Internal', 'unknown'],
    ['Unavailable', said(503, 'Unavailable'), 'ServiceUnavailable', 'unknown'],
    ['500 without a code', raw(500, ''), 'Internal', 'unknown'],
    ['502 as a web page', raw(502, HTML), 'ServiceUnavailable', 'unknown'],
    ['404 as a web page', raw(404, HTML), 'ServiceUnavailable', 'unknown'],
    ['404 of a router', raw(404, '404 page not found'), 'ServiceUnavailable', 'unknown'],
    ['403 as a web page', raw(403, HTML), 'PermissionDenied', 'unknown'],
    ['200 with a web page', raw(200, HTML), 'Internal', 'unknown'],
    ['200 with nothing', raw(200, ''), 'Internal', 'unknown'],
    [
      '200 with half an answer',
      raw(200, '<?xml version="1.0"?><RunInstancesResponse><instancesSet><item>'),
      'Internal',
      'unknown',
    ],
    ['200 with another action’s answer', raw(200, '<x/>'), 'Internal', 'unknown'],
    ['200 without the machine', ok(''), 'Internal', 'unknown'],
  ];

  it.each(ROWS)('reads %s', async (_what, answer, kind, outcome, created = kind) => {
    const { provider } = scriptedEc2({ DescribeInstances: answer });
    await expect(provider.getInstance('i-1', 'us-east-1', calm)).rejects.toMatchObject({ kind });
    const made = await create({ RunInstances: answer });
    expect(made.outcome).toMatchObject({ outcome, failure: { kind: created } });
    // A group goes with a create that made nothing, and stays while nobody knows.
    expect(made.actions().includes('DeleteSecurityGroup')).toBe(outcome === 'refused');
  });

  it('holds what the project knew of EC2 before there was an adapter', () => {
    expect(KIND_BY_CODE).toMatchObject({
      InsufficientInstanceCapacity: 'InsufficientResources',
      VcpuLimitExceeded: 'OutOfQuota',
      InstanceLimitExceeded: 'OutOfQuota',
      'InvalidAMIID.NotFound': 'ImageNotFound',
      'InvalidPermission.Duplicate': 'DuplicateFirewallRule',
      'InvalidInstanceID.NotFound': 'InstanceNotFound',
      RequestLimitExceeded: 'RateLimited',
      UnauthorizedOperation: 'PermissionDenied',
      AuthFailure: 'Unauthenticated',
      'InvalidVpcID.NotFound': 'ResourceNotFound',
    });
  });

  it('tells an image that does not fit the type from other wrong values', async () => {
    const why = 'The architecture x86_64 of the specified instance type does not match arm64 of the specified AMI';
    const { outcome } = await create({ RunInstances: said(400, 'InvalidParameterValue', why) });
    expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind: 'ImageNotFound' } });
  });

  const at = (code: string) => {
    const answer = said(400, code);
    const { provider } = scriptedEc2({
      TerminateInstances: answer,
      StopInstances: answer,
      StartInstances: answer,
      RebootInstances: answer,
    });
    return {
      end: provider.terminateInstance('i-1', 'us-east-1', calm),
      stop: provider.stopInstance('i-1', 'us-east-1', calm),
      start: provider.startInstance('i-1', 'us-east-1', calm),
      reboot: provider.rebootInstance('i-1', 'us-east-1', calm),
    };
  };

  it('is done ending what is not there, and keeps at what is protected', async () => {
    const { end, ...others } = at('InvalidInstanceID.NotFound');
    await expect(end).resolves.toBeUndefined();
    for (const other of Object.values(others)) await expect(other).rejects.toMatchObject({ kind: 'InstanceNotFound' });
    const protectedOne = at('OperationNotPermitted');
    await expect(protectedOne.end).rejects.toMatchObject({ kind: 'NotYet' });
    for (const one of [protectedOne.stop, protectedOne.start, protectedOne.reboot]) {
      await expect(one).rejects.toMatchObject({ kind: 'InvalidRequest' });
    }
  });

  it('tries again what is in another state for now, and says what can never be', async () => {
    for (const one of Object.values(at('IncorrectInstanceState'))) {
      await expect(one).rejects.toMatchObject({ kind: 'NotYet' });
    }
    const { end, ...power } = at('UnsupportedOperation');
    await expect(end).rejects.toMatchObject({ kind: 'InvalidRequest' });
    for (const one of Object.values(power)) await expect(one).rejects.toMatchObject({ kind: 'NotSupported' });
  });

  it('sends a request once: whether to repeat it is not for the SDK to decide', async () => {
    for (const answer of [said(503, 'RequestLimitExceeded'), said(500, 'InternalError'), raw(502, HTML)]) {
      const { provider, actions } = scriptedEc2({ DescribeInstances: answer });
      await expect(provider.listInstances(calm)).rejects.toBeInstanceOf(Error);
      expect(actions()).toEqual(['DescribeInstances']);
    }
  });

  it('quotes the code and the request’s id, and nothing that AWS wrote', async () => {
    const { provider } = scriptedEc2({
      DescribeInstances: said(403, 'UnauthorizedOperation', 'arn:aws:iam::123:user/ann'),
    });
    const error = await provider.listInstances(calm).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      fact: { providerCode: 'UnauthorizedOperation', httpStatus: 403, requestId: 'rq-1' },
    });
    expect(String(error)).not.toContain('arn:aws');
  });
});

describe('identity', () => {
  it('is in tags; the name is the tag that the console shows', async () => {
    expect(await seen({})).toMatchObject({
      refId: 'ref-1',
      cloudCredRefId: 'aws-main',
      attemptKey: 'ref-1-1',
      name: 'name-of-ref-1',
      tags: { team: 'a' },
    });
  });

  it('leaves a caller’s tag "Name" alone, and Amazon’s own out', async () => {
    const tags = { ...TAGS, Name: 'theirs', 'slipway-name': 'ours', 'aws:autoscaling:groupName': 'x' };
    expect(await seen({ tags })).toMatchObject({ name: 'ours', tags: { Name: 'theirs', team: 'a' } });
    const { of } = await create({}, { tags: { Name: 'theirs' } });
    expect(tagsSent(of('RunInstances')[0])).toMatchObject({ Name: 'theirs', 'slipway-name': 'name-of-ref-1' });
  });

  it('makes a machine as old as it is: EC2’s launch time is that of the last start', async () => {
    expect((await seen({})).createdAt).toBe('2026-08-20T10:00:00.000Z');
    expect((await seen({ tags: {} })).createdAt).toBe('2026-09-01T00:00:00.000Z');
  });

  it.each([
    ['no tags', {}],
    ['tags of somebody’s', { owner: 'bob' }],
    ['another credential', { refId: 'ref-1', cloudCredRefId: 'other' }],
  ])('of a machine with %s is not ours, even if the filter is ignored', async (_what, tags) => {
    const answers = {
      DescribeInstances: reservations(instanceXml({ id: 'i-9', tags }), instanceXml()),
      DescribeSecurityGroups: ok(),
    };
    const { provider, of } = scriptedEc2(answers);
    expect((await provider.listInstances(calm)).map(({ cloudId }) => cloudId)).toEqual(['i-1']);
    const [query] = of('DescribeInstances');
    expect(query?.get('Filter.1.Name')).toBe('tag:cloudCredRefId');
    expect(query?.get('Filter.1.Value.1')).toBe('aws-main');
  });

  it('stays when tags are replaced: what is new is set, what is old removed, no more', async () => {
    const tags = { ...TAGS, old: 'x', 'aws:cloudformation:stack': 'y' };
    const answers = { DescribeInstances: reservations(instanceXml({ tags })), CreateTags: ok(), DeleteTags: ok() };
    const { provider, of, actions } = scriptedEc2(answers);
    await provider.updateTags('i-1', 'us-east-1', { team: 'b', refId: 'stolen' }, calm);
    expect(tagsSent(of('CreateTags')[0], 'Tag')).toEqual({ team: 'b' });
    expect(of('DeleteTags')[0]?.get('Tag.1.Key')).toBe('old');
    expect(of('DeleteTags')[0]?.get('Tag.2.Key')).toBeNull();
    const before = actions().length;
    await provider.updateTags('i-1', 'us-east-1', { team: 'a', old: 'x' }, calm);
    expect(actions().slice(before)).toEqual(['DescribeInstances']);
  });
});

describe('a listing', () => {
  const page = (instance: string, token = '') =>
    ok(
      `<reservationSet><item><instancesSet>${instance}</instancesSet></item></reservationSet>${token && `<nextToken>${token}</nextToken>`}`,
    );

  it('follows every page of every region, and is all of them or an error', async () => {
    const regions = ['us-east-1', 'eu-west-1'];
    const answers = {
      DescribeInstances: [
        page(instanceXml({ id: 'i-1' }), 't-1'),
        page(instanceXml({ id: 'i-2' }), 't-2'),
        page(instanceXml({ id: 'i-3' })),
        page(instanceXml({ id: 'i-4' })),
      ],
      DescribeSecurityGroups: ok(),
    };
    const { provider, of, sent } = scriptedEc2(answers, { regions });
    expect((await provider.listInstances(calm)).map(({ cloudId }) => cloudId).sort()).toEqual([
      'i-1',
      'i-2',
      'i-3',
      'i-4',
    ]);
    expect(of('DescribeInstances').map((query) => query.get('MaxResults'))).toEqual(Array(4).fill('1000'));
    const scopes = sent.map(({ headers }) => /\/(\w+-\w+-\d)\/ec2\//.exec(headers.authorization ?? '')?.[1]);
    expect(new Set(scopes)).toEqual(new Set(regions));

    const broken = scriptedEc2({ DescribeInstances: [page(instanceXml()), said(500, 'InternalError')] }, { regions });
    await expect(broken.provider.listInstances(calm)).rejects.toMatchObject({ kind: 'Internal' });
  });

  it.each([
    ['a row without an id', '<item><instanceState><name>running</name></instanceState></item>'],
    ['a row without a state', '<item><instanceId>i-1</instanceId></item>'],
    ['one machine twice', instanceXml() + instanceXml()],
  ])('with %s is an error, never a shorter list', async (_what, rows) => {
    const { provider } = scriptedEc2({ DescribeInstances: page(rows) });
    await expect(provider.listInstances(calm)).rejects.toMatchObject({ kind: 'Internal' });
  });

  it('of one machine that is not in the answer proves no absence', async () => {
    const { provider } = scriptedEc2({ DescribeInstances: NOTHING });
    await expect(provider.getInstance('i-1', 'us-east-1', calm)).rejects.toMatchObject({ kind: 'Internal' });
  });
});

describe('a create', () => {
  it('looks, chooses an image, makes a group, then runs; and is not read back', async () => {
    const { outcome, actions } = await create();
    expect(actions()).toEqual([
      'DescribeInstances',
      'DescribeInstanceTypes',
      'DescribeImages',
      'CreateSecurityGroup',
      'AuthorizeSecurityGroupIngress',
      'RunInstances',
    ]);
    expect(outcome).toMatchObject({
      outcome: 'exists',
      adopted: false,
      requestId: 'rq-1',
      instance: { cloudId: 'i-1' },
    });
  });

  it('runs one machine, with its group, zone, image and tags, and disks that go with it', async () => {
    const diskSize = { value: 200, unit: 'GB' as const };
    const { of } = await create({}, { diskSize });
    const [run] = of('RunInstances');
    expect(Object.fromEntries(run ?? [])).toMatchObject({
      ImageId: 'ami-new',
      InstanceType: 'g5.xlarge',
      MinCount: '1',
      MaxCount: '1',
      'SecurityGroupId.1': 'sg-1',
      'Placement.AvailabilityZone': 'us-east-1b',
      'MetadataOptions.HttpTokens': 'required',
      InstanceInitiatedShutdownBehavior: 'stop',
      'BlockDeviceMapping.1.DeviceName': '/dev/sda1',
      'BlockDeviceMapping.1.Ebs.DeleteOnTermination': 'true',
      'BlockDeviceMapping.1.Ebs.VolumeSize': '187', // 200 GB in whole GiB, not less
      'BlockDeviceMapping.2.DeviceName': '/dev/sdb',
      'BlockDeviceMapping.2.Ebs.DeleteOnTermination': 'true',
      'BlockDeviceMapping.2.Ebs.VolumeSize': '30',
      'TagSpecification.1.ResourceType': 'instance',
      'TagSpecification.2.ResourceType': 'volume',
    });
    expect(run?.has('BlockDeviceMapping.3.DeviceName')).toBe(false); // no EBS, or goes anyway
    expect(tagsSent(run)).toMatchObject({ refId: 'ref-1', cloudCredRefId: 'aws-main', 'slipway-attempt': 'ref-1-1' });
  });

  it('has the same client token for the same attempt, another for the next, and never a longer one than EC2 takes', async () => {
    const token = async (attemptKey: string) =>
      (await create({}, { attemptKey })).of('RunInstances')[0]?.get('ClientToken');
    expect(await token('ref-1-1')).toBe(await token('ref-1-1'));
    expect(await token('ref-1-1')).not.toBe(await token('ref-1-2'));
    const longest = toClientToken({ cloudCredRefId: 'c'.repeat(63), attemptKey: `${'r'.repeat(63)}-100` });
    expect(longest).toMatch(/^[\x21-\x7e]{1,64}$/);
  });

  it('brings every key by cloud-init, whatever its kind, and the caller’s user data with them', async () => {
    const other = `ssh-ed25519 ${'A'.repeat(68)} ann@host`;
    const callers = Buffer.from('#!/bin/sh\necho planted\n').toString('base64');
    const { of } = await create({}, { publicKeys: [PUBLIC_KEY, other], userDataBase64: callers });
    const text = Buffer.from(of('RunInstances')[0]?.get('UserData') ?? '', 'base64').toString();
    for (const key of [PUBLIC_KEY, other]) expect(text).toContain(`- "${key.split(' ').slice(0, 2).join(' ')}"`);
    expect(text).toContain('echo planted');
    expect(of('RunInstances')[0]?.has('KeyName')).toBe(false);
  });

  it('takes the image it is told, and says when there is none', async () => {
    const told = await create({}, { imageId: 'ami-old' });
    expect(told.of('RunInstances')[0]?.get('ImageId')).toBe('ami-old');
    expect(told.actions()).not.toContain('DescribeInstanceTypes');
    const unknown = await create({ DescribeImages: said(400, 'InvalidAMIID.NotFound') }, { imageId: 'ami-9' });
    expect(unknown.outcome).toMatchObject({ outcome: 'refused', failure: { kind: 'ImageNotFound' } });
    const none = await create({ DescribeImages: ok('<imagesSet/>') });
    expect(none.outcome).toMatchObject({ outcome: 'refused', failure: { kind: 'ImageNotFound' } });
    for (const { actions } of [unknown, none]) expect(actions()).not.toContain('CreateSecurityGroup');
  });

  it('is unknown when its answer is lost at our door', async () => {
    const fetchInstead: typeof fetch = async (_url, init) => {
      const action = new URLSearchParams(String(init?.body)).get('Action') ?? '';
      const { xml } = READY[action] ?? ok();
      return new Response(`<${action}Response>${xml}</${action}Response>`, { status: 200 });
    };
    const onCreateAnswered = () => {
      throw new Error('cut');
    };
    const providers = createProviders({ credentials: [CREDENTIAL] }, { fetch: fetchInstead, onCreateAnswered });
    const outcome = await getProvider(providers, 'aws-main').createInstance(ATTRS, calm);
    expect(outcome).toMatchObject({ outcome: 'unknown', failure: { kind: 'ServiceUnavailable' } });
  });

  it('chooses the same image within the hour, so that a repeated create is the same request', async () => {
    const { provider, of } = scriptedEc2(READY);
    for (const attempt of ['ref-1-1', 'ref-1-2'])
      await provider.createInstance({ ...ATTRS, attemptKey: attempt }, calm);
    expect(of('DescribeImages')).toHaveLength(1);
    expect(of('DescribeInstanceTypes')).toHaveLength(1);
  });

  it('signs with the session token of temporary credentials', async () => {
    const { provider, sent } = scriptedEc2(
      { DescribeInstances: NOTHING, DescribeSecurityGroups: ok() },
      { sessionToken: 'planted-token' },
    );
    await provider.listInstances(calm);
    expect(sent[0]?.headers['x-amz-security-token']).toBe('planted-token');
  });

  it.each([
    ['a region that is not the credential’s', { location: 'mars-1' }, /location/],
    ['no key', { publicKeys: [] }, /publicKeys/],
    ['a key that would break out of the YAML', { publicKeys: ['ssh-rsa AAAA"\nruncmd: [reboot]'] }, /publicKeys/],
    ['too much user data', { userDataBase64: Buffer.alloc(16_000, '#').toString('base64') }, /16 KiB/],
    ['binary user data', { userDataBase64: Buffer.from([0x1f, 0x8b, 0xff]).toString('base64') }, /text/],
    ['a tag of Amazon’s', { tags: { 'aws:x': 'y' } }, /aws:/],
    ['a tag that is too long', { tags: { x: 'y'.repeat(257) } }, /256/],
  ])('is refused with %s, by name and before anything is sent', async (_what, change, message) => {
    const { outcome, sent } = await create({}, change);
    const failure = { kind: 'InvalidRequest', message: expect.stringMatching(message) };
    expect(outcome).toMatchObject({ outcome: 'refused', failure });
    expect(sent).toEqual([]);
  });
});

describe('a machine’s security group', () => {
  const RULES = {
    ingressRules: [
      { fromPort: 443, toPort: 443, ipRanges: ['203.0.113.0/24', '2001:db8::/32'] },
      { fromPort: 8_000, toPort: 8_010, ipRanges: [] },
    ],
    egressRules: [{ fromPort: 53, toPort: 53, ipRanges: ['192.0.2.53/32'] }],
  };
  const permission = (protocol: string, port: number, cidrs: string[]) =>
    `<item><ipProtocol>${protocol}</ipProtocol><fromPort>${port}</fromPort><toPort>${port}</toPort><ipRanges>${cidrs
      .filter((cidr) => !cidr.includes(':'))
      .map((cidr) => `<item><cidrIp>${cidr}</cidrIp></item>`)
      .join('')}</ipRanges><ipv6Ranges>${cidrs
      .filter((cidr) => cidr.includes(':'))
      .map((cidr) => `<item><cidrIpv6>${cidr}</cidrIpv6></item>`)
      .join('')}</ipv6Ranges></item>`;
  const ANY = ['0.0.0.0/0', '::/0'];
  const SSH = permission('tcp', 22, ANY);
  const ALL_OUT =
    '<item><ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item>';
  const group = (ingress: string, { attempt = 'ref-1-1', madeAt = '2026-08-20T10:00:00.000Z' } = {}) =>
    ok(
      `<securityGroupInfo><item><groupId>sg-1</groupId><groupName>slipway.x</groupName><ipPermissions>${ingress}</ipPermissions><ipPermissionsEgress>${ALL_OUT}</ipPermissionsEgress><tagSet>${tagsXml({ 'slipway-attempt': attempt, cloudCredRefId: 'aws-main', 'slipway-created-at': madeAt })}</tagSet></item></securityGroupInfo>`,
    );
  const NO_GROUPS = ok('<securityGroupInfo/>');
  const granted = (query: URLSearchParams | undefined) => {
    const entries = [...(query ?? [])];
    const of = (n: number) => entries.filter(([name]) => name.startsWith(`IpPermissions.${n}.`));
    return [1, 2, 3, 4].flatMap((n) => {
      const fields = Object.fromEntries(of(n).map(([name, value]) => [name.replace(`IpPermissions.${n}.`, ''), value]));
      const cidrs = of(n).flatMap(([name, value]) => (/Cidr/.test(name) ? value : []));
      return fields.IpProtocol ? [`${fields.IpProtocol} ${fields.FromPort}-${fields.ToPort} ${cidrs.join()}`] : [];
    });
  };

  it('lets in SSH and what is asked, TCP and UDP, IPv4 and IPv6; everything goes out', async () => {
    const { of, actions } = await create({}, { firewallRules: RULES });
    expect(of('AuthorizeSecurityGroupIngress').flatMap(granted)).toEqual([
      'tcp 22-22 0.0.0.0/0,::/0',
      'tcp 443-443 203.0.113.0/24,2001:db8::/32',
      'udp 443-443 203.0.113.0/24,2001:db8::/32',
      'tcp 8000-8010 0.0.0.0/0,::/0',
      'udp 8000-8010 0.0.0.0/0,::/0',
    ]);
    expect(of('AuthorizeSecurityGroupEgress').flatMap(granted)).toEqual([
      'tcp 53-53 192.0.2.53/32',
      'udp 53-53 192.0.2.53/32',
    ]);
    expect(actions().some((action) => action.startsWith('Revoke'))).toBe(false);
  });

  it('names each permission once when a rule of the caller’s is that of SSH', async () => {
    const ingressRules = [
      { fromPort: 22, toPort: 22, ipRanges: [] },
      { fromPort: 22, toPort: 22, ipRanges: ['::/0', '203.0.113.0/24'] },
    ];
    const { of } = await create({}, { firewallRules: { ingressRules, egressRules: [] } });
    expect(of('AuthorizeSecurityGroupIngress').flatMap(granted)).toEqual([
      'tcp 22-22 0.0.0.0/0,::/0',
      'udp 22-22 0.0.0.0/0,::/0',
    ]);
  });

  it('of an attempt that is repeated is found by its name, and gets only what is missing', async () => {
    const { of, outcome } = await create({
      CreateSecurityGroup: said(400, 'InvalidGroup.Duplicate'),
      DescribeSecurityGroups: group(permission('tcp', 22, ['0.0.0.0/0']) + permission('tcp', 9_000, ['0.0.0.0/0'])),
      RevokeSecurityGroupIngress: ok(),
    });
    expect(outcome.outcome).toBe('exists');
    expect(of('DescribeSecurityGroups')[0]?.get('Filter.2.Value.1')).toBe(keyNameOf(ATTRS));
    expect(of('AuthorizeSecurityGroupIngress').flatMap(granted)).toEqual(['tcp 22-22 ::/0']);
    expect(of('RevokeSecurityGroupIngress').flatMap(granted)).toEqual(['tcp 9000-9000 0.0.0.0/0']);
  });

  const change = async (answers: Record<string, Answer | Answer[]>, rules = RULES) => {
    const script = scriptedEc2({
      DescribeInstances: reservations(instanceXml()),
      AuthorizeSecurityGroupIngress: ok(),
      AuthorizeSecurityGroupEgress: ok(),
      RevokeSecurityGroupIngress: ok(),
      ...answers,
    });
    const failure = await script.provider.setFirewallRules('i-1', 'us-east-1', rules, calm).catch((error) => error);
    return { ...script, failure };
  };

  it('opens before it closes, and leaves "everything out" alone', async () => {
    const { actions, of, failure } = await change({ DescribeSecurityGroups: group(SSH + permission('tcp', 80, ANY)) });
    expect(failure).toBeUndefined();
    expect(actions().slice(2)).toEqual([
      'AuthorizeSecurityGroupIngress',
      'AuthorizeSecurityGroupIngress',
      'AuthorizeSecurityGroupEgress',
      'RevokeSecurityGroupIngress',
    ]);
    expect(of('RevokeSecurityGroupIngress').flatMap(granted)).toEqual(['tcp 80-80 0.0.0.0/0,::/0']);
  });

  it('closes a hole that somebody made for every protocol', async () => {
    const { of } = await change(
      { DescribeSecurityGroups: group(SSH + ALL_OUT) },
      { ingressRules: [], egressRules: [] },
    );
    expect(of('RevokeSecurityGroupIngress')[0]?.get('IpPermissions.1.IpProtocol')).toBe('-1');
  });

  it('goes rule by rule when one of several is there already, for EC2 then takes none', async () => {
    const { of, failure } = await change({
      DescribeSecurityGroups: group(SSH),
      AuthorizeSecurityGroupIngress: [
        said(400, 'InvalidPermission.Duplicate'),
        ok(),
        said(400, 'InvalidPermission.Duplicate'),
        ok(),
      ],
    });
    expect(failure).toBeUndefined();
    expect(of('AuthorizeSecurityGroupIngress').flatMap(granted).slice(2, 6)).toEqual([
      'tcp 443-443 2001:db8::/32',
      'tcp 443-443 203.0.113.0/24',
      'udp 443-443 2001:db8::/32',
      'udp 443-443 203.0.113.0/24',
    ]);
  });

  it('says what is done and what is not when a change stops half way', async () => {
    const { failure } = await change({
      DescribeSecurityGroups: group(SSH),
      AuthorizeSecurityGroupIngress: [ok(), said(400, 'RulesPerSecurityGroupLimitExceeded')],
    });
    expect(failure).toMatchObject({
      kind: 'InvalidRequest',
      message: expect.stringMatching(/Done: open 443.*Not done: open 8000-8010/),
    });
  });

  it('is one of ours, or none is touched', async () => {
    const foreign = instanceXml().replace('slipway.abc123.ref-1-1', 'default');
    const { failure, actions } = await change({ DescribeInstances: reservations(foreign) });
    expect(failure).toMatchObject({ kind: 'NotSupported' });
    expect(actions()).toEqual(['DescribeInstances']);
  });

  it('keeps its machine from being called terminated until it is deleted, in the list and in get', async () => {
    const answers = {
      DescribeInstances: reservations(instanceXml({ state: 'terminated' })),
      DescribeSecurityGroups: group(SSH),
      DeleteSecurityGroup: [said(400, 'DependencyViolation'), said(403, 'UnauthorizedOperation'), ok()],
    };
    const { provider, actions } = scriptedEc2(answers);
    const inList = async () => (await provider.listInstances(calm))[0];
    const inGet = () => provider.getInstance('i-1', 'us-east-1', calm);
    expect(await inList()).toMatchObject({ status: 'terminating', statusMessage: expect.stringContaining('group') });
    expect(await inGet()).toMatchObject({ status: 'terminating' });
    expect(await inGet()).toMatchObject({ status: 'terminated' });
    expect(await inList()).toMatchObject({ status: 'terminated' });
    expect(actions().filter((action) => action === 'DeleteSecurityGroup')).toHaveLength(3);
  });

  it('is looked for anew by a worker that never saw the machine live, and may be gone already', async () => {
    const { provider } = scriptedEc2({
      DescribeInstances: reservations(instanceXml({ state: 'terminated' })),
      DescribeSecurityGroups: NO_GROUPS,
    });
    expect(await provider.listInstances(calm)).toMatchObject([{ status: 'terminated' }]);
  });

  it('never fails a listing', async () => {
    const { provider } = scriptedEc2({
      DescribeInstances: reservations(
        instanceXml(),
        instanceXml({ id: 'i-2', state: 'terminated', tags: { ...TAGS, 'slipway-attempt': 'ref-1-2' } }),
      ),
      DescribeSecurityGroups: said(503, 'RequestLimitExceeded'),
    });
    expect(await provider.listInstances(calm)).toMatchObject([{ status: 'running' }, { status: 'terminating' }]);
  });

  it.each([
    ['an hour old without a machine goes', { attempt: 'ref-7-1' }, NOTHING, true],
    [
      'a moment old stays: its create may be under way in another worker',
      { attempt: 'ref-7-1', madeAt: new Date().toISOString() },
      NOTHING,
      false,
    ],
    ['of a live machine stays', {}, reservations(instanceXml({ state: 'stopped' })), false],
  ] as const)('%s', async (_what, about, listed, isDeleted) => {
    const { provider, actions } = scriptedEc2({
      DescribeInstances: listed,
      DescribeSecurityGroups: group(SSH, about),
      DeleteSecurityGroup: ok(),
    });
    await provider.listInstances(calm);
    expect(actions().includes('DeleteSecurityGroup')).toBe(isDeleted);
  });

  it('is what a create leaves besides its machine, and is listed as that', async () => {
    const { provider } = scriptedEc2({ DescribeSecurityGroups: group(SSH) });
    expect(await provider.listSideResources?.(calm)).toEqual([{ kind: 'security-group', name: 'us-east-1/sg-1' }]);
  });

  it('goes at once when its rules are refused: the create is over before it was sent', async () => {
    const { outcome, actions } = await create({
      AuthorizeSecurityGroupIngress: said(400, 'RulesPerSecurityGroupLimitExceeded'),
    });
    expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind: 'InvalidRequest' } });
    expect(actions().slice(-2)).toEqual(['AuthorizeSecurityGroupIngress', 'DeleteSecurityGroup']);
  });

  it('that is not there is looked for once, in its own region', async () => {
    const { provider, sent } = scriptedEc2(
      { ...READY, RunInstances: said(500, 'InternalError'), DescribeSecurityGroups: NO_GROUPS },
      { listingLagMs: 0, regions: ['eu-west-1', 'us-east-1'] },
    );
    const looks = () => sent.filter(({ action }) => action === 'DescribeSecurityGroups').map(({ headers }) => headers);
    await provider.listInstances(calm); // the regular look, every ten minutes
    await provider.createInstance(ATTRS, calm);
    const before = looks().length;
    for (let turn = 0; turn < 3; turn += 1) await provider.listInstances(calm);
    expect(looks().slice(before)).toEqual([
      expect.objectContaining({ authorization: expect.stringContaining('/us-east-1/ec2/') }),
    ]);
  });

  it('of a create without an answer goes once a listing past the lag shows no machine', async () => {
    const madeAt = new Date().toISOString();
    const script = scriptedEc2(
      { ...READY, RunInstances: said(500, 'InternalError'), DescribeSecurityGroups: group(SSH, { madeAt }) },
      { listingLagMs: 0 },
    );
    expect(await script.provider.createInstance(ATTRS, calm)).toMatchObject({ outcome: 'unknown' });
    expect(script.actions()).not.toContain('DeleteSecurityGroup');
    await script.provider.listInstances(calm);
    expect(script.actions().at(-1)).toBe('DeleteSecurityGroup');
  });
});

describe('the catalog', () => {
  const type = (name: string, architecture: string, gpu = '') =>
    `<item><instanceType>${name}</instanceType><processorInfo><supportedArchitectures><item>i386</item><item>${architecture}</item></supportedArchitectures></processorInfo><vCpuInfo><defaultVCpus>4</defaultVCpus></vCpuInfo><memoryInfo><sizeInMiB>16384</sizeInMiB></memoryInfo>${gpu}</item>`;
  const GPU =
    '<gpuInfo><gpus><item><name>A10G</name><count>4</count><memoryInfo><sizeInMiB>22888</sizeInMiB></memoryInfo></item></gpus></gpuInfo>';
  const offering = (name: string, zone: string) =>
    `<item><instanceType>${name}</instanceType><location>us-east-1${zone}</location></item>`;

  it('has a type in each zone that sells it, memory per GPU, and the prices it was given', async () => {
    const { provider } = scriptedEc2(
      {
        DescribeInstanceTypes: [
          ok(`<instanceTypeSet>${type('g5.12xlarge', 'x86_64', GPU)}</instanceTypeSet><nextToken>t</nextToken>`),
          ok(`<instanceTypeSet>${type('g5g.xlarge', 'arm64')}${type('old.type', 'x86_64')}</instanceTypeSet>`),
        ],
        DescribeInstanceTypeOfferings: ok(
          `<instanceTypeOfferingSet>${offering('g5.12xlarge', 'b')}${offering('g5.12xlarge', 'a')}${offering('g5g.xlarge', 'a')}</instanceTypeOfferingSet>`,
        ),
      },
      { prices: { 'g5.12xlarge': '5.672', 'eu-west-1/g5g.xlarge': '0.42' } },
    );
    const types = await provider.listInstanceTypes(calm);
    expect(types.map(({ id }) => id)).toEqual([
      'us-east-1-us-east-1a-g5.12xlarge',
      'us-east-1-us-east-1a-g5g.xlarge',
      'us-east-1-us-east-1b-g5.12xlarge',
    ]);
    expect(types[0]).toMatchObject({
      pricePerHour: { amount: '5.672', currency: 'USD' },
      gpus: [{ name: 'A10G', count: 4, memoryPerGpu: { value: 22_888, unit: 'MiB' } }],
      vcpu: 4,
      memory: { value: 16_384, unit: 'MiB' },
      architecture: 'x86_64',
    });
    expect(types[1]).toMatchObject({ architecture: 'arm64', gpus: [] });
    expect(types[1]).not.toHaveProperty('pricePerHour');
    expect((await seen({})).instanceTypeId).toBe('us-east-1-us-east-1b-g5.xlarge');
    expect(await provider.listLocations(calm)).toEqual(['us-east-1']);
  });

  it('grows the root disk, in whole GiB', async () => {
    const { provider, of } = scriptedEc2({ DescribeInstances: reservations(instanceXml()), ModifyVolume: ok() });
    await provider.resizeVolume('i-1', 'us-east-1', { value: 1, unit: 'TB' }, calm);
    expect(of('ModifyVolume')[0]?.get('VolumeId')).toBe('vol-1');
    expect(of('ModifyVolume')[0]?.get('Size')).toBe('932');
  });

  it('knows that a machine without an EBS root cannot stop', async () => {
    const instance = instanceXml().replace('<rootDeviceType>ebs', '<rootDeviceType>instance-store');
    const { provider } = scriptedEc2({ DescribeInstances: reservations(instance) });
    const { capabilities } = await provider.getInstance('i-1', 'us-east-1', calm);
    expect(capabilities).toEqual(['reboot-instance', 'modify-firewall', 'tags']);
  });
});

describe('the credential', () => {
  it.each([
    ['regions', { regions: [] }],
    ['regions', { regions: ['moon'] }],
    ['secretAccessKey', { secretAccessKey: undefined }],
    ['prices', { prices: { 'g5.xlarge': 'cheap' } }],
  ])('names what is wrong with %s', (field, change) => {
    expect(() => openProvider({ ...CREDENTIAL, ...change })).toThrow(new RegExp(`credential aws-main: ${field}`));
  });
});

function tagsSent(query: URLSearchParams | undefined, prefix = 'TagSpecification.1.Tag'): Record<string, string> {
  const tags: Record<string, string> = {};
  for (let n = 1; query?.has(`${prefix}.${n}.Key`); n += 1) {
    tags[query.get(`${prefix}.${n}.Key`) ?? ''] = query.get(`${prefix}.${n}.Value`) ?? '';
  }
  return tags;
}
