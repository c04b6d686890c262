import { describe, expect, it } from 'vitest';
import { loadSdk } from '../../src/adapters/aws/sdk.js';
import { accessKeyIdOf, type Simcloud } from '../../src/simcloud/index.js';
import { cloudWith } from './support.js';

/* What the dialect does that the adapter does not need, or must never meet. The caller is AWS's own SDK. */

const sdk = loadSdk();

function clientFor(cloud: Simcloud, change: { accessKeyId?: string; secretAccessKey?: string; region?: string } = {}) {
  const credentials = { accessKeyId: accessKeyIdOf('sim-key'), secretAccessKey: 'sim-key', ...change };
  const region = change.region ?? 'us-west-1';
  return new sdk.EC2Client({ region, endpoint: `${cloud.url}/aws`, credentials, maxAttempts: 1 });
}

const list = (client: ReturnType<typeof clientFor>, input = {}) => client.send(new sdk.DescribeInstancesCommand(input));

async function run(client: ReturnType<typeof clientFor>, change: object = {}) {
  const { Images } = await client.send(new sdk.DescribeImagesCommand({}));
  const input = {
    ImageId: Images?.[0]?.ImageId,
    InstanceType: 'gpu_1x_a10' as never,
    MinCount: 1,
    MaxCount: 1,
    ...change,
  };
  const { Instances } = await client.send(new sdk.RunInstancesCommand(input));
  return Instances?.[0]?.InstanceId ?? '';
}

describe('AWS’s dialect', () => {
  it('checks the signature, and tells an unknown key from a wrong secret as EC2 does', async () => {
    const cloud = await cloudWith();
    await expect(list(clientFor(cloud))).resolves.toBeTruthy();
    const unknown = clientFor(cloud, { accessKeyId: 'AKIAIOSFODNN7EXAMPLE' });
    await expect(list(unknown)).rejects.toMatchObject({ name: 'AuthFailure', $metadata: { httpStatusCode: 401 } });
    const wrong = clientFor(cloud, { secretAccessKey: 'another-secret' });
    await expect(list(wrong)).rejects.toMatchObject({
      name: 'SignatureDoesNotMatch',
      $metadata: { httpStatusCode: 403 },
    });
  });

  it('refuses a request that was changed after it was signed, or not signed at all', async () => {
    const cloud = await cloudWith();
    const client = clientFor(cloud);
    client.middlewareStack.add(
      (next) => (args) => {
        const request = args.request as { body: string };
        request.body = request.body.replace('MaxResults=5', 'MaxResults=6');
        return next(args);
      },
      { step: 'finalizeRequest', priority: 'low' },
    );
    await expect(list(client, { MaxResults: 5 })).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' });
    const body = new URLSearchParams({ Action: 'DescribeInstances' });
    const answer = await fetch(`${cloud.url}/aws`, { method: 'POST', body });
    expect([answer.status, await answer.text()]).toEqual([401, expect.stringContaining('<Code>AuthFailure</Code>')]);
  });

  it('returns the same machine for the same client token, whatever the listing shows, and refuses it for another', async () => {
    const cloud = await cloudWith({ timing: { listingLagMs: 60_000 } });
    const client = clientFor(cloud);
    const id = await run(client, { ClientToken: 't-1' });
    expect(await list(client)).toMatchObject({ Reservations: [] });
    expect(await run(client, { ClientToken: 't-1' })).toBe(id);
    const another = run(client, { ClientToken: 't-1', InstanceType: 'gpu_1x_h100_pcie' });
    await expect(another).rejects.toMatchObject({ name: 'IdempotentParameterMismatch' });
    const Tags = [{ Key: 'at', Value: 'another time' }];
    const tagged = run(client, { ClientToken: 't-1', TagSpecifications: [{ ResourceType: 'instance', Tags }] });
    await expect(tagged).rejects.toMatchObject({ name: 'IdempotentParameterMismatch' });
    await client.send(new sdk.TerminateInstancesCommand({ InstanceIds: [id] }));
    await expect(run(client, { ClientToken: 't-1' })).rejects.toMatchObject({ name: 'IdempotentInstanceTerminated' });
    expect(await cloud.control.report()).toMatchObject({ created: 1, doubled: 0 });
  });

  it('does not know a new machine by its id either, until the lag has passed', async () => {
    const cloud = await cloudWith({ timing: { listingLagMs: 60_000 } });
    const client = clientFor(cloud);
    const InstanceIds = [await run(client)];
    await expect(list(client, { InstanceIds })).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound' });
    await cloud.control.advance(60_000);
    expect((await list(client, { InstanceIds })).Reservations).toHaveLength(1);
  });

  it('keeps regions apart, and cuts pages of five or more', async () => {
    const cloud = await cloudWith({ pageSize: 2 });
    const [west, east] = [clientFor(cloud), clientFor(cloud, { region: 'us-east-1' })];
    for (let i = 0; i < 3; i += 1) await run(west);
    await run(east);
    const first = await list(west, { MaxResults: 5 });
    const second = await list(west, { MaxResults: 5, NextToken: first.NextToken });
    expect([first.Reservations?.length, second.Reservations?.length, second.NextToken]).toEqual([2, 1, undefined]);
    expect((await list(east)).Reservations).toHaveLength(1);
    await expect(list(west, { MaxResults: 4 })).rejects.toMatchObject({ name: 'InvalidParameterValue' });
    await expect(list(west, { NextToken: 'nonsense' })).rejects.toMatchObject({ name: 'InvalidParameterValue' });
  });

  it('deletes no group in use, and opens no port that no group opens, SSH included', async () => {
    const cloud = await cloudWith();
    const client = clientFor(cloud);
    const { GroupId = '' } = await client.send(
      new sdk.CreateSecurityGroupCommand({ GroupName: 'g', Description: 'd' }),
    );
    const id = await run(client, { SecurityGroupIds: [GroupId] });
    const rules = async () =>
      (await cloud.control.machine(id)).firewallRules.ingressRules.map(({ ipRanges }) => ipRanges);
    expect(await rules()).toEqual([['255.255.255.255/32']]);
    const IpPermissions = ['0.0.0.0/0', '::/0'].map((cidr) => ({
      IpProtocol: 'tcp',
      FromPort: 22,
      ToPort: 22,
      ...(cidr.includes(':') ? { Ipv6Ranges: [{ CidrIpv6: cidr }] } : { IpRanges: [{ CidrIp: cidr }] }),
    }));
    await client.send(new sdk.AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }));
    expect(await rules()).toEqual([]); // the core's own default: SSH alone
    const drop = () => client.send(new sdk.DeleteSecurityGroupCommand({ GroupId }));
    await expect(drop()).rejects.toMatchObject({ name: 'DependencyViolation' });
    await client.send(new sdk.TerminateInstancesCommand({ InstanceIds: [id] }));
    await cloud.control.advance(60_000);
    await expect(drop()).resolves.toBeTruthy();
  });

  it('refuses a permission that a call names twice, and takes nothing of that call', async () => {
    const client = clientFor(await cloudWith());
    const { GroupId = '' } = await client.send(
      new sdk.CreateSecurityGroupCommand({ GroupName: 'g', Description: 'd' }),
    );
    const web = { IpProtocol: 'tcp', FromPort: 443, ToPort: 443, IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
    const allow = (...IpPermissions: object[]) =>
      client.send(new sdk.AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }));
    await expect(allow(web, web)).rejects.toMatchObject({ name: 'InvalidParameterValue' });
    await expect(allow(web)).resolves.toBeTruthy();
  });

  it('says what it cannot do', async () => {
    const client = clientFor(await cloudWith());
    await expect(client.send(new sdk.DescribeVpcsCommand({}))).rejects.toMatchObject({ name: 'InvalidAction' });
  });
});
