import type { EC2Client, Instance } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSdk } from '../../src/adapters/aws/sdk.js';
import { attemptKey } from '../../src/domain/ids.js';
import type { CloudInstance, CreateInstanceAttrs, Provider } from '../../src/domain/provider.js';
import { accessKeyIdOf } from '../../src/simcloud/index.js';
import { MOTO_IMAGE, motoMissing, startMoto } from '../support/moto.js';
import { API_KEY, attrsFor, calm, cloudWith, openProvider } from './clouds.js';

/*
 * The adapter against moto, an EC2 that we did not write: a whole life, and that our own dialect answers the same calls
 * alike. What moto lacks (client tokens that work, transitions that take time, capacity, throttling, a group in use) is
 * in the contract suite, over our dialect.
 */

const why = motoMissing ? ` (skipped: ${motoMissing})` : '';
const REGION = 'us-east-1';
const OTHER_REGION = 'us-west-2';
const TYPE = 'g5.xlarge';

describe.skipIf(motoMissing)(`the AWS adapter at moto${why}`, () => {
  let moto: Awaited<ReturnType<typeof startMoto>>;
  beforeAll(async () => {
    moto = await startMoto([REGION, OTHER_REGION]);
  }, 90_000);
  afterAll(async () => await moto?.stop());

  const openAws = (cloudCredRefId: string, regions: readonly string[]): Provider =>
    openProvider({
      cloudCredRefId,
      provider: 'aws',
      apiUrl: moto.url,
      accessKeyId: 'AKIAPLANTEDKEYID0000',
      secretAccessKey: API_KEY,
      regions,
      timeoutMs: 120_000, // moto sends its whole catalog in one page
      requestsPerSecond: 10_000,
      createsPerMinute: 600_000,
    });
  const scene = (cloudCredRefId: string, regions = [REGION, OTHER_REGION]) => {
    const aws = openAws(cloudCredRefId, regions);
    const attrs = (refId: string, change: Partial<CreateInstanceAttrs> = {}) =>
      attrsFor(refId, { location: REGION, instanceType: TYPE, cloudCredRefId, ...change });
    const create = async (refId: string, change: Partial<CreateInstanceAttrs> = {}): Promise<CloudInstance> => {
      const outcome = await aws.createInstance(attrs(refId, change), calm);
      if (outcome.outcome !== 'exists') throw new Error(JSON.stringify(outcome));
      return outcome.instance;
    };
    const look = ({ cloudId, location }: CloudInstance) => aws.getInstance(cloudId, location, calm);
    return { aws, attrs, create, look };
  };

  it('goes from a create to the end, through all that a machine can do, and leaves nothing', async () => {
    const { aws, create, look } = scene('moto-life');
    const rules = { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: ['203.0.113.0/24'] }], egressRules: [] };
    const made = await create('ref-1', {
      subLocation: 'us-east-1b',
      firewallRules: rules,
      diskSize: { value: 50, unit: 'GiB' },
    });
    expect(made).toMatchObject({
      refId: 'ref-1',
      attemptKey: 'ref-1-1',
      name: 'name-of-ref-1',
      tags: { team: 'a' },
      subLocation: 'us-east-1b',
      instanceTypeId: `${REGION}-us-east-1b-${TYPE}`,
    });
    const running = await look(made);
    expect(running).toMatchObject({
      status: 'running',
      publicAddress: expect.any(String),
      capabilities: made.capabilities,
    });
    expect(await aws.listInstances(calm)).toEqual([running]);
    expect(await aws.listSideResources?.(calm)).toMatchObject([{ kind: 'security-group', refId: 'ref-1' }]);

    const again = await aws.createInstance(
      attrsFor('ref-1', {
        location: REGION,
        instanceType: TYPE,
        cloudCredRefId: 'moto-life',
        attemptKey: attemptKey('ref-1', 2),
      }),
      calm,
    );
    expect(again).toMatchObject({ outcome: 'exists', adopted: true, instance: { cloudId: made.cloudId } });

    const { cloudId, location } = made;
    const wanted = {
      ingressRules: [{ fromPort: 80, toPort: 90, ipRanges: [] }],
      egressRules: [{ fromPort: 53, toPort: 53, ipRanges: [] }],
    };
    for (let i = 0; i < 2; i += 1) await aws.setFirewallRules(cloudId, location, wanted, calm);
    expect(await permissionsOf(ec2At(moto.url), cloudId)).toEqual([
      'ingress tcp 22-22 0.0.0.0/0 ::/0',
      'ingress tcp 80-90 0.0.0.0/0 ::/0',
      'ingress udp 80-90 0.0.0.0/0 ::/0',
      'egress -1 all 0.0.0.0/0',
      'egress tcp 53-53 0.0.0.0/0 ::/0',
      'egress udp 53-53 0.0.0.0/0 ::/0',
    ]);
    await aws.updateTags(cloudId, location, { team: 'b', refId: 'stolen' }, calm);
    expect(await look(made)).toMatchObject({ refId: 'ref-1', tags: { team: 'b' } });

    await aws.stopInstance(cloudId, location, calm);
    const stopped = await look(made);
    expect(stopped.status).toBe('stopped');
    expect(stopped).not.toHaveProperty('publicAddress');
    await aws.changeInstanceType(cloudId, location, 'g5.2xlarge', calm);
    await aws.resizeVolume(cloudId, location, { value: 100, unit: 'GiB' }, calm);
    await aws.startInstance(cloudId, location, calm);
    await aws.rebootInstance(cloudId, location, calm);
    expect(await look(made)).toMatchObject({
      status: 'running',
      instanceType: 'g5.2xlarge',
      createdAt: made.createdAt,
    });

    for (let i = 0; i < 2; i += 1) await aws.terminateInstance(cloudId, location, calm);
    expect((await look(made)).status).toBe('terminated');
    expect(await aws.listSideResources?.(calm)).toEqual([]);
  }, 120_000);

  it('refuses what moto refuses, in our words, and leaves no group', async () => {
    const { aws, attrs } = scene('moto-refusals');
    const refused = async (change: Partial<CreateInstanceAttrs>) =>
      await aws.createInstance(attrs('ref-2', change), calm);
    const failure = (kind: string) => ({ outcome: 'refused', failure: { kind } });
    expect(await refused({ imageId: 'ami-00000000000000000' })).toMatchObject(failure('ImageNotFound'));
    expect(await refused({ instanceType: 'nope.large' })).toMatchObject(failure('InvalidRequest'));
    expect(await refused({ instanceType: 'nope.large', imageId: MOTO_IMAGE })).toMatchObject(failure('InvalidRequest'));
    expect(await refused({ instanceType: 'g5g.xlarge' })).toMatchObject(failure('ImageNotFound')); // arm64: moto has none
    const unknown = aws.getInstance('i-00000000000000000', REGION, calm);
    await expect(unknown).rejects.toMatchObject({ kind: 'InstanceNotFound' });
    await expect(aws.terminateInstance('i-00000000000000000', REGION, calm)).resolves.toBeUndefined();
    expect(await aws.listSideResources?.(calm)).toEqual([]);
  }, 60_000);

  it('sees its own machines in every region, and nobody else’s', async () => {
    const [one, other] = [scene('moto-one'), scene('moto-other')];
    const made = [await one.create('ref-3'), await one.create('ref-4', { location: OTHER_REGION })];
    await other.create('ref-3');
    const ids = (await one.aws.listInstances(calm)).map(({ cloudId }) => cloudId);
    expect(ids.sort()).toEqual(made.map(({ cloudId }) => cloudId).sort());
  }, 60_000);

  it('reads moto’s catalog, which is AWS’s own', async () => {
    const types = await scene('moto-types', [REGION]).aws.listInstanceTypes(calm);
    expect(new Set(types.map(({ id }) => id)).size).toBe(types.length);
    expect(types.find(({ id }) => id === `${REGION}-us-east-1b-${TYPE}`)).toMatchObject({
      gpus: [{ name: 'A10G', count: 1, memoryPerGpu: { value: 22_888, unit: 'MiB' } }],
      vcpu: 4,
      architecture: 'x86_64',
    });
    expect(types.find(({ instanceType }) => instanceType === 'p5.48xlarge')?.gpus).toMatchObject([
      { name: 'H100', count: 8 },
    ]);
    expect(types.find(({ instanceType }) => instanceType === 'g5g.xlarge')?.architecture).toBe('arm64');
  }, 120_000);

  /** Each call in turn, on a group and a machine that are there. */
  const CALLS: [what: string, call: (ec2: Ec2, made: Made) => Promise<unknown>][] = [
    [
      'get of an unknown machine',
      ({ client, sdk }) => client.send(new sdk.DescribeInstancesCommand({ InstanceIds: [NO_MACHINE] })),
    ],
    [
      'end of an unknown machine',
      ({ client, sdk }) => client.send(new sdk.TerminateInstancesCommand({ InstanceIds: [NO_MACHINE] })),
    ],
    [
      'stop of an unknown machine',
      ({ client, sdk }) => client.send(new sdk.StopInstancesCommand({ InstanceIds: [NO_MACHINE] })),
    ],
    [
      'reboot of an unknown machine',
      ({ client, sdk }) => client.send(new sdk.RebootInstancesCommand({ InstanceIds: [NO_MACHINE] })),
    ],
    [
      'look for an unknown image',
      ({ client, sdk }) => client.send(new sdk.DescribeImagesCommand({ ImageIds: [NO_IMAGE] })),
    ],
    [
      'run of an unknown image',
      ({ client, sdk, type }) =>
        client.send(
          new sdk.RunInstancesCommand({ ImageId: NO_IMAGE, InstanceType: type as never, MinCount: 1, MaxCount: 1 }),
        ),
    ],
    [
      'look for an unknown type',
      ({ client, sdk }) =>
        client.send(new sdk.DescribeInstanceTypesCommand({ InstanceTypes: ['nope.large' as never] })),
    ],
    [
      'a group whose name is taken',
      ({ client, sdk }) => client.send(new sdk.CreateSecurityGroupCommand({ GroupName: GROUP, Description: 'x' })),
    ],
    [
      'a rule that is there',
      ({ client, sdk }, { GroupId }) =>
        client.send(new sdk.AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: WEB })),
    ],
    [
      'a rule that is not there',
      ({ client, sdk }, { GroupId }) =>
        client.send(new sdk.RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: WEB })),
    ],
    ['an unknown group', ({ client, sdk }) => client.send(new sdk.DeleteSecurityGroupCommand({ GroupId: NO_GROUP }))],
    [
      'a rule of an unknown group',
      ({ client, sdk }) =>
        client.send(new sdk.AuthorizeSecurityGroupIngressCommand({ GroupId: NO_GROUP, IpPermissions: WEB })),
    ],
    ['an end', ({ client, sdk }, { id }) => client.send(new sdk.TerminateInstancesCommand({ InstanceIds: [id] }))],
    [
      'a second end',
      ({ client, sdk }, { id }) => client.send(new sdk.TerminateInstancesCommand({ InstanceIds: [id] })),
    ],
  ];

  it('and our own dialect answer alike, call by call, and show a machine in the same fields', async () => {
    const cloud = await cloudWith();
    const ours = { ...ec2At(`${cloud.url}/aws`, accessKeyIdOf(API_KEY)), type: 'gpu_1x_a10' };
    const theirs = ec2At(moto.url);
    const [mine, his] = [await make(ours), await make(theirs)];
    await cloud.control.advance(60_000);
    const [shown, told] = [await describeMachine(ours, mine.id), await describeMachine(theirs, his.id)];
    // What ours has, moto has too, and of the same kind.
    const kinds = (instance: Instance) => Object.entries(instance).map(([name, value]) => `${name}: ${kindOf(value)}`);
    expect(kinds(shown).filter((field) => !kinds(told).includes(field))).toEqual([]);
    expect(shown.State).toEqual(told.State);
    for (const [what, call] of CALLS) {
      expect([what, await answerOf(() => call(ours, mine))]).toEqual([what, await answerOf(() => call(theirs, his))]);
    }
  }, 120_000);
});

const NO_MACHINE = 'i-00000000000000000';
const NO_IMAGE = 'ami-00000000000000000';
const NO_GROUP = 'sg-00000000000000000';
const GROUP = 'both-have-it';
const WEB = [{ IpProtocol: 'tcp', FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: '203.0.113.0/24' }] }];

interface Ec2 {
  client: EC2Client;
  sdk: ReturnType<typeof loadSdk>;
  type: string;
}

interface Made {
  id: string;
  GroupId: string;
}

function ec2At(endpoint: string, accessKeyId = 'AKIAPLANTEDKEYID0000'): Ec2 {
  const sdk = loadSdk();
  const credentials = { accessKeyId, secretAccessKey: API_KEY };
  return { sdk, type: TYPE, client: new sdk.EC2Client({ region: REGION, endpoint, credentials, maxAttempts: 1 }) };
}

async function make({ client, sdk, type }: Ec2): Promise<Made> {
  const { Images } = await client.send(new sdk.DescribeImagesCommand({ Owners: ['amazon'] }));
  const image = Images?.find(({ Architecture }) => Architecture === 'x86_64');
  const { GroupId } = await client.send(new sdk.CreateSecurityGroupCommand({ GroupName: GROUP, Description: 'x' }));
  await client.send(new sdk.AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: WEB }));
  const { Instances } = await client.send(
    new sdk.RunInstancesCommand({
      ImageId: image?.ImageId,
      InstanceType: type as never,
      MinCount: 1,
      MaxCount: 1,
      ClientToken: 'token',
      SecurityGroupIds: [GroupId ?? ''],
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'a', Value: 'b' }] }],
    }),
  );
  return { id: Instances?.[0]?.InstanceId ?? '', GroupId: GroupId ?? '' };
}

async function describeMachine({ client, sdk }: Ec2, id: string): Promise<Instance> {
  const { Reservations } = await client.send(new sdk.DescribeInstancesCommand({ InstanceIds: [id] }));
  return Reservations?.[0]?.Instances?.[0] ?? {};
}

async function permissionsOf(ec2: Ec2, id: string): Promise<string[]> {
  const { SecurityGroups = [] } = await describeMachine(ec2, id);
  const GroupIds = SecurityGroups.map(({ GroupId = '' }) => GroupId);
  const { SecurityGroups: [group] = [] } = await ec2.client.send(
    new ec2.sdk.DescribeSecurityGroupsCommand({ GroupIds }),
  );
  const sides = { ingress: group?.IpPermissions ?? [], egress: group?.IpPermissionsEgress ?? [] };
  return Object.entries(sides).flatMap(([side, permissions]) =>
    permissions
      .map(({ IpProtocol, FromPort, ToPort, IpRanges = [], Ipv6Ranges = [] }) => {
        const ports = FromPort === undefined ? 'all' : `${FromPort}-${ToPort}`;
        const cidrs = [...IpRanges.map(({ CidrIp }) => CidrIp), ...Ipv6Ranges.map(({ CidrIpv6 }) => CidrIpv6)];
        return [side, IpProtocol, ports, ...cidrs].join(' ');
      })
      .sort(),
  );
}

async function answerOf(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
    return 'done';
  } catch (error) {
    const { name, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
    return `${$metadata?.httpStatusCode} ${name}`;
  }
}

function kindOf(value: unknown): string {
  if (value instanceof Date) return 'date';
  return Array.isArray(value) ? 'list' : typeof value;
}
