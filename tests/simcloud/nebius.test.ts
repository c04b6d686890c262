import { createSign } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { connect } from 'node:http2';
import { connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../src/simcloud/dialects/nebius-proto.js';
import { NEBIUS_TENANT, type Simcloud } from '../../src/simcloud/index.js';
import { serviceAccountKey, withServiceAccount } from '../support/nebius.js';
import { cloudWith, KEY, until } from './support.js';

/* What the dialect does that the adapter does not need, or must never meet; and gRPC on simcloud's one port. */

const ACCOUNTS = [withServiceAccount({ apiKey: 'sim-key', name: 'default' })];
const open = (options: object = {}) => cloudWith({ accounts: ACCOUNTS, ...options });
const COMPUTE = 'nebius.compute.v1';
const INSTANCES = `${COMPUTE}.InstanceService`;
const PROJECT = 'project-e00uswest1';
const OPERATION = 'nebius.common.v1.Operation';

type Answer = Record<string, unknown> & { id?: string; resource_id?: string; status?: { code?: number } | null };

/** One call; a refusal is `{ refused: code, detail }`. */
async function ask(
  cloud: Simcloud,
  method: string,
  [request, reply]: readonly [string, string],
  message: object,
  metadata: Record<string, string>,
): Promise<Answer & { refused?: number; detail?: string }> {
  const client = new Client(new URL(cloud.url).host, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  const sent = new Metadata();
  for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
  try {
    return await new Promise((resolve) =>
      client.makeUnaryRequest(
        `/${method}`,
        (value: object) => encode(request, value),
        (bytes: Buffer) => decode(reply, bytes) as Answer,
        message,
        sent,
        { deadline: Date.now() + 10_000 },
        (error, answer) => resolve(error ? { refused: error.code, detail: detailOf(error.metadata) } : { ...answer }),
      ),
    );
  } finally {
    client.close();
  }
}

function detailOf(metadata: Metadata): string {
  const [bytes] = metadata.get('grpc-status-details-bin');
  if (!Buffer.isBuffer(bytes)) return '';
  const { details } = decode('google.rpc.Status', bytes) as { details: { value: Buffer }[] };
  const [first] = details;
  const {
    code: _code,
    service: _service,
    retry_type: _retry,
    details: _oneof,
    ...rest
  } = decode('nebius.common.v1.ServiceError', first?.value ?? Buffer.alloc(0)) as Record<string, unknown>;
  return Object.keys(rest).join();
}

/** As a client signs: for five minutes from then on. */
function signed(keyFile: string, iat: number): string {
  const { 'private-key': key, kid, iss, sub } = JSON.parse(keyFile)['subject-credentials'];
  const parts = [
    { alg: 'RS256', typ: 'JWT', kid },
    { iss, sub, iat, exp: iat + 300 },
  ];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${text}.${createSign('RSA-SHA256').update(text).sign(key, 'base64url')}`;
}

async function tokenFor(cloud: Simcloud, key = serviceAccountKey(), now = Date.now()): Promise<Answer> {
  const types = ['nebius.iam.v1.ExchangeTokenRequest', 'nebius.iam.v1.CreateTokenResponse'] as const;
  const jwt = signed(key, Math.floor(now / 1_000));
  return await ask(cloud, 'nebius.iam.v1.TokenExchangeService/Exchange', types, { subject_token: jwt }, {});
}

async function login(cloud: Simcloud, key?: string) {
  const { access_token: token } = await tokenFor(cloud, key);
  return (method: string, message: object, types: readonly [string, string], more: Record<string, string> = {}) =>
    ask(cloud, method, types, message, { authorization: `Bearer ${token}`, ...more });
}

const CREATE_TYPES = [`${COMPUTE}.CreateInstanceRequest`, OPERATION] as const;
const machine = (name: string, change: object = {}) => ({
  metadata: { parent_id: PROJECT, name, labels: { refId: name } },
  spec: {
    resources: { platform: 'gpu-a10', preset: '1gpu-30vcpu-200gb' },
    network_interfaces: [{ name: 'eth0', subnet_id: 'vpcsubnet-e00uswest1', ip_address: {}, public_ip_address: {} }],
    boot_disk: {
      attach_mode: 'READ_WRITE',
      managed_disk: {
        name: `${name}-boot`,
        spec: { size_gibibytes: 50, source_image_family: { image_family: 'ubuntu24.04-cuda13.0' } },
      },
    },
    cloud_init_user_data: `#cloud-config\nssh_authorized_keys:\n  - "${KEY.public.trim()}"\n`,
    ...change,
  },
});
const order = (name: string) => [`${COMPUTE}.${name}InstanceRequest`, OPERATION] as const;

describe('gRPC on simcloud’s port', () => {
  it('shares it with HTTP/1, in any order and at once', async () => {
    const cloud = await open();
    const asked = await login(cloud);
    const http = () => fetch(`${cloud.url}/sim/v1/instances`, { headers: { authorization: 'Bearer sim-key' } });
    const list = () =>
      asked(`${INSTANCES}/List`, { parent_id: PROJECT }, [
        `${COMPUTE}.ListInstancesRequest`,
        `${COMPUTE}.ListInstancesResponse`,
      ]);
    const answers = await Promise.all([http(), list(), http(), list()]);
    expect(answers.map((one) => (one instanceof Response ? one.status : one.items))).toEqual([200, [], 200, []]);
  });

  it('says UNIMPLEMENTED of a method that is not there', async () => {
    const cloud = await open();
    expect((await ask(cloud, 'nebius.ai.v1.JobService/List', [OPERATION, OPERATION], {}, {})).refused).toBe(12);
  });

  it('is not hung up by half a message, and answers the next', async () => {
    const cloud = await open();
    const session = connect(cloud.url);
    session.on('error', () => undefined);
    const half = session.request({
      ':method': 'POST',
      ':path': `/${INSTANCES}/Get`,
      'content-type': 'application/grpc',
    });
    half.on('error', () => undefined);
    half.end(Buffer.from([0, 0, 0, 0, 9, 1]));
    await new Promise((resolve) => half.once('close', resolve));
    session.destroy();
    expect((await tokenFor(cloud)).access_token).toBeTruthy();
  });

  it('stops though callers are connected, those too that have not said a word', async () => {
    const cloud = await open();
    const session = connect(cloud.url);
    const silent = dial(Number(new URL(cloud.url).port), '127.0.0.1');
    for (const one of [session, silent]) one.on('error', () => undefined);
    await Promise.all(
      [session, silent].map((one) => new Promise<void>((resolve) => one.once('connect', () => resolve()))),
    );
    const closed = [session, silent].map((one) => new Promise<void>((resolve) => one.once('close', () => resolve())));
    await cloud.stop();
    await Promise.all(closed);
  });

  it('hangs up on a call that is alone, and resets one that is not: the other is answered', async () => {
    const cloud = await open();
    const { access_token: token } = await tokenFor(cloud);
    const session = connect(cloud.url);
    session.on('error', () => undefined);
    const call = (path: string, message: Buffer) => {
      const head = {
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        authorization: `Bearer ${token}`,
      };
      const stream = session.request(head);
      const frame = Buffer.alloc(5);
      frame.writeUInt32BE(message.length, 1);
      stream.on('error', () => undefined);
      stream.end(Buffer.concat([frame, message]));
      stream.resume();
      return new Promise<string>((resolve) => {
        let status = 'none';
        stream.on('trailers', (headers) => {
          status = `grpc ${headers['grpc-status']}`;
        });
        stream.once('close', () => resolve(status));
      });
    };
    const list = encode(`${COMPUTE}.ListInstancesRequest`, { parent_id: PROJECT });
    const projects = encode('nebius.iam.v1.ListProjectsRequest', { parent_id: NEBIUS_TENANT });
    await cloud.control.addFault({ operation: 'locations', kind: 'late-answer', delayMs: 300 });
    await cloud.control.addFault({ operation: 'list', kind: 'drop-before-work' });
    const late = call('/nebius.iam.v1.ProjectService/List', projects);
    const dropped = await call(`/${INSTANCES}/List`, list);
    expect([dropped, await late]).toEqual(['none', 'grpc 0']);
    expect(session.destroyed).toBe(false);
    await cloud.control.addFault({ operation: 'list', kind: 'drop-before-work' });
    await call(`/${INSTANCES}/List`, list);
    await until(async () => session.destroyed);
  });
});

describe('Nebius’ dialect', () => {
  it.each([
    ['the key of somebody else', serviceAccountKey('stranger'), Date.now()],
    ['a key that nobody knows', serviceAccountKey().replace('publickey-e00test', 'publickey-e00other'), Date.now()],
    [
      'a service account that is not the key’s',
      serviceAccountKey().replaceAll('serviceaccount-e00test', 'serviceaccount-e00x'),
      Date.now(),
    ],
    ['a statement that is too old', serviceAccountKey(), Date.now() - 600_000],
  ])('gives no token for %s', async (_what, key, now) => {
    expect(await tokenFor(await open(), key, now)).toMatchObject({ refused: 16 });
  });

  it('takes no token but those it gave, and those while they last', async () => {
    const cloud = await open();
    const asked = await login(cloud);
    const types = [`${COMPUTE}.GetInstanceRequest`, `${COMPUTE}.Instance`] as const;
    expect(await asked(`${INSTANCES}/Get`, { id: 'i-none' }, types)).toMatchObject({
      refused: 5,
      detail: 'resource_not_found',
    });
    const forged = await ask(cloud, `${INSTANCES}/Get`, types, { id: 'i' }, { authorization: 'Bearer ne1sim.forged' });
    expect(forged.refused).toBe(16);
    await cloud.control.advance(13 * 3_600_000);
    expect((await asked(`${INSTANCES}/Get`, { id: 'i-none' }, types)).refused).toBe(16);
  });

  it('makes a key file for whoever has the account’s API key, and it survives a restart', async () => {
    const dataFile = join(await mkdtemp(join(tmpdir(), 'simcloud-')), 'cloud.json');
    const before = await cloudWith({ dataFile });
    const console = (key: string) =>
      fetch(`${before.url}/nebius/authorized-keys`, { method: 'POST', headers: { authorization: `Bearer ${key}` } });
    expect((await console('nobody’s'.slice(0, 6))).status).toBe(401);
    const file = await (await console('sim-key')).text();
    expect((await tokenFor(before, file)).access_token).toBeTruthy();
    await before.stop();
    const after = await cloudWith({ dataFile });
    expect((await tokenFor(after, file)).access_token).toBeTruthy();
  });

  it('answers a create with an operation that ends when the machine runs', async () => {
    const cloud = await open({ timing: { bootMs: 60_000 } });
    const asked = await login(cloud);
    const created = await asked(`${INSTANCES}/Create`, machine('one'), CREATE_TYPES);
    expect(created).toMatchObject({ status: null, resource_id: expect.any(String) });
    const look = () =>
      asked('nebius.common.v1.OperationService/Get', { id: created.id }, [
        'nebius.common.v1.GetOperationRequest',
        OPERATION,
      ]);
    expect((await look()).status).toBeNull();
    await cloud.control.advance(60_000);
    expect((await look()).status).toMatchObject({ code: 0 });
  });

  it('has one machine for one idempotency key, and for one name', async () => {
    const cloud = await open();
    const asked = await login(cloud);
    const once = { 'x-idempotency-key': 'key-1' };
    const [first, second] = await Promise.all(
      [1, 2].map(() => asked(`${INSTANCES}/Create`, machine('one'), CREATE_TYPES, once)),
    );
    expect(second?.resource_id).toBe(first?.resource_id);
    const other = await asked(`${INSTANCES}/Create`, machine('one'), CREATE_TYPES, { 'x-idempotency-key': 'key-2' });
    expect(other).toMatchObject({ refused: 6, detail: 'resource_already_exists' });
    expect((await cloud.control.report()).created).toBe(1);
  });

  it('has one disk for one name: a machine whose boot disk would be a second one is not made', async () => {
    const cloud = await open();
    const asked = await login(cloud);
    const { boot_disk } = machine('one').spec;
    await asked(`${INSTANCES}/Create`, machine('one'), CREATE_TYPES);
    const twin = await asked(`${INSTANCES}/Create`, machine('two', { boot_disk }), CREATE_TYPES);
    expect(twin).toMatchObject({ refused: 6, detail: 'resource_already_exists' });
    expect((await cloud.control.report()).created).toBe(1);
  });

  it('says want of stock by an operation that has failed, and leaves nothing', async () => {
    const cloud = await open();
    await cloud.control.setStock({ location: 'us-west-1', instanceType: 'gpu_1x_a10', count: 0 });
    const asked = await login(cloud);
    const answer = await asked(`${INSTANCES}/Create`, machine('one'), CREATE_TYPES);
    expect(answer).toMatchObject({ status: { code: 8 }, resource_id: expect.any(String) });
    expect((await cloud.control.report()).created).toBe(0);
  });

  it.each([
    ['a project', 5, { metadata: { parent_id: 'project-e00mars', name: 'x' } }],
    ['a name', 3, { metadata: { parent_id: PROJECT } }],
  ])('refuses a create without %s that is there', async (_what, code, change) => {
    const asked = await login(await open());
    expect(await asked(`${INSTANCES}/Create`, { ...machine('one'), ...change }, CREATE_TYPES)).toMatchObject({
      refused: code,
    });
  });

  it.each([
    ['a subnet', 5, { network_interfaces: [{ name: 'eth0', subnet_id: 'vpcsubnet-x' }] }],
    ['a platform', 3, { resources: { platform: 'gpu-x', preset: '1gpu' } }],
    ['a boot disk', 3, { boot_disk: null }],
    [
      'an image',
      5,
      {
        boot_disk: {
          attach_mode: 'READ_WRITE',
          managed_disk: { name: 'b', spec: { size_gibibytes: 9, source_image_id: 'computeimage-x' } },
        },
      },
    ],
    ['user data that fits', 3, { cloud_init_user_data: 'x'.repeat(32_769) }],
  ])('refuses a create without %s', async (_what, code, change) => {
    const asked = await login(await open());
    expect(await asked(`${INSTANCES}/Create`, machine('one', change), CREATE_TYPES)).toMatchObject({ refused: code });
  });

  it('refuses an order that is done already, or that another is in the way of', async () => {
    const cloud = await open({ timing: { stopMs: 60_000, terminateMs: 60_000 } });
    const asked = await login(cloud);
    const { resource_id: id } = await asked(`${INSTANCES}/Create`, machine('one'), CREATE_TYPES);
    await until(async () => (await cloud.control.machine(id ?? '')).status === 'running');
    const give = async (verb: string) => (await asked(`${INSTANCES}/${verb}`, { id }, order(verb))).detail;
    expect(await give('Start')).toBe('bad_resource_state');
    expect(await give('Stop')).toBeUndefined();
    expect(await give('Stop')).toBe('operation_conflict');
    expect(await give('Start')).toBe('operation_conflict');
    await cloud.control.advance(60_000);
    expect(await give('Stop')).toBe('bad_resource_state');
    expect(await give('Delete')).toBeUndefined();
    expect(await give('Delete')).toBe('operation_conflict');
  });

  it('lets a boot disk go with its machine, and keeps what somebody made', async () => {
    const cloud = await open({ timing: { terminateMs: 60_000 } });
    const asked = await login(cloud);
    const { resource_id: id } = await asked(`${INSTANCES}/Create`, machine('one'), CREATE_TYPES);
    await asked(
      `${COMPUTE}.DiskService/Create`,
      { metadata: { parent_id: PROJECT, name: 'data' }, spec: { size_gibibytes: 9 } },
      [`${COMPUTE}.CreateDiskRequest`, OPERATION],
    );
    const disks = async () => {
      const types = [`${COMPUTE}.ListDisksRequest`, `${COMPUTE}.ListDisksResponse`] as const;
      const { items } = await asked(`${COMPUTE}.DiskService/List`, { parent_id: PROJECT }, types);
      return items as { metadata: { id: string; name: string }; status: { managed_by: string } }[];
    };
    const [boot] = await disks();
    expect((await disks()).map(({ metadata }) => metadata.name)).toEqual(['one-boot', 'data']);
    expect(boot?.status.managed_by).toBe(id);
    const remove = (disk: string | undefined) =>
      asked(`${COMPUTE}.DiskService/Delete`, { id: disk }, [`${COMPUTE}.DeleteDiskRequest`, OPERATION]);
    expect((await remove(boot?.metadata.id)).refused).toBe(9);
    await asked(`${INSTANCES}/Delete`, { id }, order('Delete'));
    await cloud.control.advance(60_000);
    const left = await disks();
    expect(left.map(({ metadata }) => metadata.name)).toEqual(['data']);
    expect((await remove(left[0]?.metadata.id)).refused).toBeUndefined();
    expect(await disks()).toEqual([]);
  });

  it('changes what an update holds, and nothing else', async () => {
    const cloud = await open();
    const asked = await login(cloud);
    const { resource_id: id = '' } = await asked(`${INSTANCES}/Create`, machine('one'), CREATE_TYPES);
    const types = [`${COMPUTE}.UpdateInstanceRequest`, OPERATION] as const;
    await asked(`${INSTANCES}/Update`, { metadata: { id } }, types);
    expect((await cloud.control.machine(id)).tags).toEqual({ refId: 'one' });
    await asked(`${INSTANCES}/Update`, { metadata: { id, labels: { team: 'b' } } }, types);
    expect(await cloud.control.machine(id)).toMatchObject({
      tags: { team: 'b' },
      instanceType: 'gpu_1x_a10',
      name: 'one',
    });
  });

  it('leaves a machine open that no user data guards', async () => {
    const cloud = await open();
    const asked = await login(cloud);
    const rules = async (name: string, text: string) => {
      const { resource_id: id = '' } = await asked(
        `${INSTANCES}/Create`,
        machine(name, { cloud_init_user_data: text }),
        CREATE_TYPES,
      );
      return (await cloud.control.machine(id)).firewallRules.ingressRules.map(({ fromPort, toPort }) => [
        fromPort,
        toPort,
      ]);
    };
    expect(await rules('a', '#cloud-config\n')).toEqual([[1, 65_535]]);
    expect(await rules('b', '#cloud-config\nruncmd:\n  - "ufw allow 22/tcp"\n  - "ufw --force enable"\n')).toEqual([
      [22, 22],
    ]);
  });
});
