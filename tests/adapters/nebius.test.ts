import { createPublicKey, createVerify, generateKeyPairSync } from 'node:crypto';
import { status as GRPC } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { toIdempotencyKey } from '../../src/adapters/nebius/client.js';
import { BY_CODE, BY_DETAIL } from '../../src/adapters/nebius/errors.js';
import { STATUS, splitTypeName } from '../../src/adapters/nebius/mapping.js';
import { modelOf } from '../../src/adapters/nebius/offers.js';
import { createProviders } from '../../src/adapters/registry.js';
import type { ErrorKind } from '../../src/domain/errors.js';
import type { CreateInstanceAttrs, LifecycleStatus } from '../../src/domain/provider.js';
import { redact } from '../../src/redact.js';
import { NEBIUS_TENANT } from '../../src/simcloud/index.js';
import { serviceAccountKey, withServiceAccount } from '../support/nebius.js';
import { type CannedReply, failed, refusal, reply, scriptedGrpc } from './canned-grpc.js';
import { API_KEY, attrsFor, calm, cloudWith, openProvider, PUBLIC_KEY } from './clouds.js';

/* What is Nebius' own: its tables, its odd answers, the bugs that others have. The rest is in the contract suite. */

const CREDENTIAL = {
  cloudCredRefId: 'nebius-main',
  provider: 'nebius',
  serviceAccountKey: serviceAccountKey(),
  tenantId: 'tenant-e00one',
  createsPerMinute: 600_000,
  acceptMs: 0,
};
const PLACE = { location: 'eu-north1', instanceType: 'gpu-h100-sxm.8gpu-128vcpu-1600gb' };
const ATTRS: CreateInstanceAttrs = attrsFor('ref-1', { ...PLACE, cloudCredRefId: 'nebius-main' });

const LIST = 'InstanceService/List';
const GET = 'InstanceService/Get';
const CREATE = 'InstanceService/Create';
const DELETE = 'InstanceService/Delete';
const BY_NAME = 'InstanceService/GetByName';
const UPDATE = 'InstanceService/Update';
const STOP = 'InstanceService/Stop';
const START = 'InstanceService/Start';
const OPERATION = 'OperationService/Get';
const OPERATIONS = 'OperationService/List';
const PROJECTS = 'ProjectService/List';
const SUBNETS = 'SubnetService/List';
const PLATFORMS = 'PlatformService/List';
const PLATFORM = 'PlatformService/GetByName';
const QUOTAS = 'QuotaAllowanceService/List';
const ADVICE = 'ResourceAdviceService/List';
const ESTIMATE = 'CalculatorService/Estimate';
const EXCHANGE = 'TokenExchangeService/Exchange';
const DISKS = 'DiskService/List';
const DELETE_DISK = 'DiskService/Delete';

const project = (id: string, region: string, name = 'default-project') => ({
  metadata: { id, name },
  spec: { region },
  status: { region },
});
const LABELS = {
  refId: 'ref-1',
  cloudCredRefId: 'nebius-main',
  'slipway-attempt': 'ref-1-1',
  'slipway-name': 'name-of-ref-1',
  team: 'a',
};
const instance = (state: string | number | undefined, change: object = {}) => ({
  metadata: {
    id: 'computeinstance-1',
    parent_id: 'project-e00one',
    name: 'ref-1-1',
    created_at: { seconds: 1_755_684_000 },
    labels: LABELS,
  },
  spec: { resources: { platform: 'gpu-h100-sxm', preset: '8gpu-128vcpu-1600gb' } },
  ...(state !== undefined && {
    status: {
      state,
      network_interfaces: [
        { ip_address: { address: '10.0.0.5/32' }, public_ip_address: { address: '203.0.113.9/32' } },
      ],
    },
  }),
  ...change,
});
const READY = {
  [EXCHANGE]: reply({ access_token: 'planted-token-1', token_type: 'Bearer', expires_in: 43_200 }),
  [PROJECTS]: reply({ items: [project('project-e00one', 'eu-north1')] }),
  [SUBNETS]: reply({ items: [{ metadata: { id: 'vpcsubnet-e00one', name: 'default-subnet-x1' } }] }),
  [LIST]: reply({ items: [] }),
  [CREATE]: reply({ id: 'op-1', resource_id: 'computeinstance-1', created_at: { seconds: 1_755_684_000 } }),
  [ESTIMATE]: reply({ hourly_cost: { general: { total: { cost: '23.6000000004' } } } }),
};
const script = (answers: Record<string, CannedReply | CannedReply[]> = {}, change: object = {}) =>
  scriptedGrpc({ ...CREDENTIAL, ...change }, { ...READY, ...answers });
const create = async (
  answers: Record<string, CannedReply | CannedReply[]> = {},
  change: Partial<CreateInstanceAttrs> = {},
  credential: object = {},
) => {
  const scripted = await script(answers, credential);
  return { ...scripted, outcome: await scripted.provider.createInstance({ ...ATTRS, ...change }, calm) };
};
const seen = async (shown: object) => {
  const { provider } = await script({ [GET]: reply(shown), [OPERATIONS]: reply({}) });
  return await provider.getInstance('computeinstance-1', '', calm);
};

describe('the status table', () => {
  const ROWS: [string, LifecycleStatus][] = [
    ['CREATING', 'pending'],
    ['STARTING', 'pending'],
    ['RUNNING', 'running'],
    ['UPDATING', 'running'],
    ['STOPPING', 'stopping'],
    ['STOPPED', 'stopped'],
    ['DELETING', 'terminating'],
    ['ERROR', 'failed'],
    ['UNSPECIFIED', 'pending'],
  ];

  it('has a row for every word in this test, and no other', () => {
    expect(STATUS).toEqual(Object.fromEntries(ROWS));
  });

  it.each(ROWS)('reads %s as %s, in the list and in get alike', async (word, status) => {
    const { provider } = await script({ [LIST]: reply({ items: [instance(word)] }) });
    expect(await seen(instance(word))).toMatchObject({ status });
    expect(await provider.listInstances(calm)).toMatchObject([{ status }]);
  });

  it('reads STOPPED with an operation under way as pending: so it looks before its first start', async () => {
    const shown = instance('STOPPED', { status: { state: 'STOPPED', reconciling: true } });
    expect(await seen(shown)).toMatchObject({ status: 'pending' });
  });

  it('reads no status at all as pending', async () => {
    expect(await seen(instance(undefined))).toMatchObject({ status: 'pending' });
  });

  it('reads a number that nobody knows as pending, and quotes it', async () => {
    expect(await seen(instance(77))).toMatchObject({ status: 'pending', statusMessage: expect.stringContaining('77') });
  });

  it('leaves a stopped machine stopped while it is UPDATING', async () => {
    const { provider } = await script({ [GET]: [reply(instance('STOPPED')), reply(instance('UPDATING'))] });
    for (const statusMessage of [undefined, 'UPDATING']) {
      const got = await provider.getInstance('computeinstance-1', '', calm);
      expect(got).toMatchObject({ status: 'stopped', ...(statusMessage && { statusMessage }) });
    }
  });

  it('says why a machine failed, if an operation tells', async () => {
    const { provider } = await script({
      [GET]: reply(instance('ERROR')),
      [OPERATIONS]: reply({
        operations: [
          { id: 'op-1', created_at: { seconds: 5 }, status: failed(8, { not_enough_resources: {} }) },
          { id: 'op-0', created_at: { seconds: 1 }, status: {} },
        ],
      }),
    });
    expect(await provider.getInstance('computeinstance-1', '', calm)).toMatchObject({
      status: 'failed',
      statusMessage: expect.stringContaining('InsufficientResources'),
    });
  });
});

describe('the error table', () => {
  /** Answer, the kind of a get, how a create goes and its kind if that is another, and the kind of an order to a machine. */
  const ROWS: [string, CannedReply, ErrorKind, 'refused' | 'unknown', ErrorKind?, ErrorKind?][] = [
    ['not_enough_resources', refusal(8, { not_enough_resources: {} }), 'InsufficientResources', 'refused'],
    [
      'a timeout of the scheduler',
      refusal(4, undefined, 'VM schedule timeout, most likely due to insufficient hardware resources'),
      'InsufficientResources',
      'unknown',
    ],
    ['quota_failure', refusal(8, { quota_failure: {} }), 'OutOfQuota', 'refused'],
    ['quota_failure with another code', refusal(9, { quota_failure: {} }), 'OutOfQuota', 'refused'],
    ['too_many_requests', refusal(8, { too_many_requests: {} }), 'RateLimited', 'refused'],
    ['RESOURCE_EXHAUSTED without details', refusal(8), 'OutOfQuota', 'refused'],
    ['resource_not_found', refusal(5, { resource_not_found: {} }), 'InstanceNotFound', 'refused', 'ResourceNotFound'],
    ['NOT_FOUND', refusal(5), 'InstanceNotFound', 'refused', 'ResourceNotFound'],
    ['permission_denied', refusal(7, { permission_denied: {} }), 'PermissionDenied', 'refused'],
    ['PERMISSION_DENIED', refusal(7), 'PermissionDenied', 'refused'],
    ['UNAUTHENTICATED', refusal(16), 'Unauthenticated', 'refused'],
    ['bad_request', refusal(3, { bad_request: {} }), 'InvalidRequest', 'refused'],
    ['out_of_range', refusal(11, { out_of_range: {} }), 'InvalidRequest', 'refused'],
    ['INVALID_ARGUMENT', refusal(3), 'InvalidRequest', 'refused'],
    ['OUT_OF_RANGE', refusal(11), 'InvalidRequest', 'refused'],
    ['UNIMPLEMENTED', refusal(12), 'InvalidRequest', 'refused'],
    [
      'bad_resource_state',
      refusal(9, { bad_resource_state: {} }),
      'ServiceUnavailable',
      'refused',
      undefined,
      'NotYet',
    ],
    ['resource_conflict', refusal(9, { resource_conflict: {} }), 'ServiceUnavailable', 'refused', undefined, 'NotYet'],
    [
      'operation_conflict',
      refusal(9, { operation_conflict: {} }),
      'ServiceUnavailable',
      'refused',
      undefined,
      'NotYet',
    ],
    ['operation_aborted', refusal(10, { operation_aborted: {} }), 'ServiceUnavailable', 'unknown', undefined, 'NotYet'],
    ['FAILED_PRECONDITION', refusal(9), 'ServiceUnavailable', 'refused', undefined, 'NotYet'],
    ['ABORTED', refusal(10), 'ServiceUnavailable', 'unknown', undefined, 'NotYet'],
    ['UNAVAILABLE', refusal(14), 'ServiceUnavailable', 'unknown'],
    ['DEADLINE_EXCEEDED', refusal(4), 'ServiceUnavailable', 'unknown'],
    ['CANCELLED', refusal(1), 'ServiceUnavailable', 'unknown'],
    ['internal_error', refusal(13, { internal_error: { request_id: 'req-9' } }), 'Internal', 'unknown'],
    ['INTERNAL', refusal(13), 'Internal', 'unknown'],
    ['UNKNOWN', refusal(2), 'Internal', 'unknown'],
    ['DATA_LOSS', refusal(15), 'Internal', 'unknown'],
  ];

  it('has a row here for every detail and every code that the adapter knows', () => {
    const named = new Set(ROWS.map(([name]) => name));
    // A name that is taken has tests of its own.
    const details = Object.keys(BY_DETAIL).filter((detail) => detail !== 'resource_already_exists');
    expect(details.filter((detail) => !named.has(detail))).toEqual([]);
    const words = Object.keys(BY_CODE).map((code) => GRPC[Number(code)] ?? code);
    const missing = words.filter((word) => ![...named].some((name) => name.startsWith(word)));
    expect(missing).toEqual(['ALREADY_EXISTS']);
  });

  it.each(ROWS)('reads %s', async (_what, answer, kind, outcome, createKind = kind, orderKind = kind) => {
    const { provider } = await script({ [GET]: answer, [STOP]: answer });
    await expect(provider.getInstance('computeinstance-1', '', calm)).rejects.toMatchObject({ kind });
    await expect(provider.stopInstance('computeinstance-1', '', calm)).rejects.toMatchObject({ kind: orderKind });
    const created = await create({ [CREATE]: answer });
    expect(created.outcome).toMatchObject({ outcome, failure: { kind: createKind, operation: 'createInstance' } });
  });

  it.each(ROWS.filter(([, answer]) => !('reply' in answer)))(
    'reads %s of an operation that failed after it was accepted as of a call',
    async (_what, answer, kind, _outcome, createKind = kind) => {
      const { details = [], code = 0, message = '' } = answer as { code: number; message: string; details?: object[] };
      const accepted = reply({ id: 'op-1', resource_id: 'computeinstance-1', status: { code, message, details } });
      const { outcome, calls } = await create({ [CREATE]: accepted, [DELETE]: refusal(5), [GET]: refusal(5) });
      // Nothing is left, for certain: that was looked at.
      expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind: createKind } });
      expect(calls().slice(-2)).toEqual([DELETE, GET]);
    },
  );

  it('looks at details before the code, and at stock before the rest', async () => {
    const both = refusal(8, { quota_failure: {} });
    if ('reply' in both) throw new Error('a refusal');
    const [quota] = both.details ?? [];
    const [stock] = (refusal(8, { not_enough_resources: {} }) as { details: object[] }).details;
    const { outcome } = await create({ [CREATE]: { ...both, details: [quota ?? {}, stock ?? {}] } });
    expect(outcome).toMatchObject({ failure: { kind: 'InsufficientResources' } });
  });

  it('keeps the provider’s code, field and request id, and none of its text', async () => {
    const detail = {
      code: 'DiskTooBig',
      bad_request: { violations: [{ field: 'spec.size', message: 'planted-text' }] },
    };
    const answer = { ...refusal(3, detail, 'planted-text'), trailers: { 'x-request-id': 'req-7' } };
    const { outcome } = await create({ [CREATE]: answer });
    expect(outcome).toMatchObject({ failure: { providerCode: 'DiskTooBig', requestId: 'req-7' } });
    expect(JSON.stringify(outcome)).toContain('spec.size');
    expect(JSON.stringify(outcome)).not.toContain('planted-text');
  });

  it('says ImageNotFound of the image that was asked for, and of nothing else', async () => {
    const missing = refusal(5, { resource_not_found: { resource_id: 'computeimage-e00x' } });
    const asked = await create({ [CREATE]: missing }, { imageId: 'computeimage-e00x' });
    expect(asked.outcome).toMatchObject({ outcome: 'refused', failure: { kind: 'ImageNotFound' } });
    const other = await create({ [CREATE]: missing }, { imageId: 'computeimage-e00y' });
    expect(other.outcome).toMatchObject({ failure: { kind: 'ResourceNotFound' } });
  });

  it('is done ending what is not there or going, and tries again what is busy otherwise', async () => {
    const busy = refusal(9, { operation_conflict: {} });
    const end = async (answers: Record<string, CannedReply>) =>
      await (await script(answers)).provider.terminateInstance('computeinstance-1', '', calm);
    await expect(end({ [DELETE]: refusal(5) })).resolves.toBeUndefined();
    await expect(end({ [DELETE]: busy, [GET]: reply(instance('DELETING')) })).resolves.toBeUndefined();
    await expect(end({ [DELETE]: busy, [GET]: reply(instance('UPDATING')) })).rejects.toMatchObject({ kind: 'NotYet' });
    await expect(end({ [DELETE]: busy, [GET]: refusal(14) })).rejects.toMatchObject({ kind: 'NotYet' });
  });

  it('refuses an order twice as Nebius does, and it is done all the same', async () => {
    const busy = refusal(9, { bad_resource_state: {} });
    const { provider } = await script({ [STOP]: busy, [START]: busy, [GET]: reply(instance('STOPPED')) });
    await expect(provider.stopInstance('computeinstance-1', '', calm)).resolves.toBeUndefined();
    await expect(provider.startInstance('computeinstance-1', '', calm)).rejects.toMatchObject({ kind: 'NotYet' });
  });

  it('says of a start what its operation says', async () => {
    const operation = { id: 'op-2', resource_id: 'computeinstance-1' };
    const { provider } = await script(
      {
        [START]: reply(operation),
        [OPERATION]: reply({ ...operation, status: failed(8, { not_enough_resources: {} }) }),
      },
      { acceptMs: 5_000 },
    );
    const start = provider.startInstance('computeinstance-1', '', calm);
    await expect(start).rejects.toMatchObject({ kind: 'InsufficientResources' });
  });

  it('is told how long to wait in the details, or in a header', async () => {
    const { outcome } = await create({
      [CREATE]: { ...refusal(8, { too_many_requests: {} }), trailers: { 'retry-after': '3' } },
    });
    expect(outcome).toMatchObject({ failure: { kind: 'RateLimited', retryAfterMs: 3_000 } });
  });
});

describe('the token', () => {
  const bearer = (sent: { metadata: Record<string, unknown> }[]) => sent.map(({ metadata }) => metadata.authorization);

  it('is asked for with a statement signed by the service account’s key, once for many calls', async () => {
    const { provider, sent } = await script();
    await Promise.all([provider.listInstances(calm), provider.listInstances(calm)]);
    await provider.listInstances(calm);
    const exchanges = sent.filter(({ call }) => call === EXCHANGE);
    expect(exchanges).toHaveLength(1);
    expect(exchanges[0]?.message).toMatchObject({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    });
    const [head = '', body = '', signature = ''] = String(exchanges[0]?.message.subject_token).split('.');
    const part = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString());
    expect(part(head)).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'publickey-e00test' });
    expect(part(body)).toMatchObject({ iss: 'serviceaccount-e00test', sub: 'serviceaccount-e00test' });
    expect(part(body).exp - part(body).iat).toBe(300);
    const publicKey = createPublicKey(JSON.parse(serviceAccountKey())['subject-credentials']['private-key']);
    expect(createVerify('RSA-SHA256').update(`${head}.${body}`).verify(publicKey, signature, 'base64url')).toBe(true);
    expect(new Set(bearer(sent.filter(({ call }) => call !== EXCHANGE)))).toEqual(new Set(['Bearer planted-token-1']));
  });

  it('is renewed once when it is refused, and the call is repeated', async () => {
    const { provider, sent } = await script({
      [EXCHANGE]: ['planted-token-1', 'planted-token-2'].map((text) =>
        reply({ access_token: text, expires_in: 3_600 }),
      ),
      [LIST]: [refusal(16), reply({ items: [] })],
    });
    expect(await provider.listInstances(calm)).toEqual([]);
    expect(bearer(sent.filter(({ call }) => call === LIST))).toEqual([
      'Bearer planted-token-1',
      'Bearer planted-token-2',
    ]);
  });

  it('is renewed once only: the second refusal is the answer', async () => {
    const { provider, sent } = await script({ [LIST]: refusal(16) });
    await expect(provider.listInstances(calm)).rejects.toMatchObject({ kind: 'Unauthenticated' });
    expect(sent.filter(({ call }) => call === EXCHANGE)).toHaveLength(2);
    expect(sent.filter(({ call }) => call === LIST)).toHaveLength(2);
  });

  it('is renewed by one of many callers that find it refused', async () => {
    const { provider, sent } = await script({
      [EXCHANGE]: ['planted-token-1', 'planted-token-2'].map((text) =>
        reply({ access_token: text, expires_in: 3_600 }),
      ),
      [GET]: [refusal(16), refusal(16), reply(instance('RUNNING'))],
    });
    await provider.listInstances(calm); // has a token
    await Promise.all([1, 2].map(() => provider.getInstance('computeinstance-1', '', calm)));
    expect(sent.filter(({ call }) => call === EXCHANGE)).toHaveLength(2);
  });

  it('that ends soon is renewed before it does', async () => {
    const { provider, sent } = await script({ [EXCHANGE]: reply({ access_token: 'planted-token-0', expires_in: 0 }) });
    await provider.listInstances(calm);
    expect(sent.filter(({ call }) => call === EXCHANGE).length).toBeGreaterThan(1);
  });

  it.each([
    ['UNAUTHENTICATED', 16, 'Unauthenticated'],
    ['UNAVAILABLE', 14, 'ServiceUnavailable'],
  ] as const)('that cannot be had for %s refuses a create: nothing was sent', async (_what, code, kind) => {
    const { outcome, calls } = await create({ [EXCHANGE]: refusal(code) });
    expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind } });
    expect(calls()).toEqual([]);
  });

  it('and the private key are known to the redactor', async () => {
    const { provider } = await script();
    await provider.listInstances(calm);
    expect(redact('Bearer planted-token-1 …')).not.toContain('planted-token-1');
    const key = JSON.parse(CREDENTIAL.serviceAccountKey)['subject-credentials']['private-key'] as string;
    expect(redact(`x ${key.split('\n')[3]} y`)).toBe('x [redacted] y');
  });

  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  const withKey = (key: string): string => {
    const file = JSON.parse(serviceAccountKey());
    file['subject-credentials']['private-key'] = key;
    return JSON.stringify(file);
  };
  it.each([
    ['no JSON', 'planted-key-text'],
    ['another JSON', '{"planted-key-text":1}'],
    ['no key in it', withKey('planted-key-text')],
    ['a key of another kind', withKey(ec.toString())],
  ])('refuses a key file with %s when it is configured, without a word of it', (_what, text) => {
    const credentials = [{ ...CREDENTIAL, serviceAccountKey: text }];
    const opened = (): unknown => createProviders({ credentials });
    expect(opened).toThrow(/credential nebius-main: serviceAccountKey (?!.*planted)/);
  });
});

describe('identity', () => {
  it('is in labels; the name is the attempt’s, and what the caller calls it is a label', async () => {
    expect(await seen(instance('RUNNING'))).toMatchObject({
      refId: 'ref-1',
      cloudCredRefId: 'nebius-main',
      attemptKey: 'ref-1-1',
      name: 'name-of-ref-1',
      tags: { team: 'a' },
    });
  });

  it.each([
    ['no labels', {}],
    ['labels of somebody’s', { owner: 'bob' }],
    ['another credential', { ...LABELS, cloudCredRefId: 'other' }],
  ])('of a machine with %s is not ours: it is not listed, and hides nothing', async (_what, labels) => {
    const foreign = instance('RUNNING', { metadata: { id: 'computeinstance-9', parent_id: 'project-e00one', labels } });
    const { provider } = await script({ [LIST]: reply({ items: [foreign, instance('RUNNING')] }) });
    expect((await provider.listInstances(calm)).map(({ cloudId }) => cloudId)).toEqual(['computeinstance-1']);
  });

  it('stays when the caller’s tags are replaced, with the version that was read', async () => {
    const read = instance('RUNNING', { metadata: { ...instance('').metadata, resource_version: 7 } });
    const { provider, sent } = await script({ [GET]: reply(read), [UPDATE]: reply({ status: {} }) });
    await provider.updateTags('computeinstance-1', '', { team: 'b', refId: 'stolen' }, calm);
    const { team: _old, ...ours } = LABELS;
    expect(sent.at(-1)).toMatchObject({
      call: UPDATE,
      message: {
        metadata: { id: 'computeinstance-1', resource_version: 7, labels: { ...ours, team: 'b' } },
        spec: null,
      },
    });
  });
});

describe('a create', () => {
  it('is one call for machine and disk, after one look, and is not read back', async () => {
    const { outcome, calls, sent } = await create({}, { diskSize: { value: 100, unit: 'GB' } });
    expect(calls()).toEqual([PROJECTS, LIST, SUBNETS, CREATE]);
    expect(outcome).toMatchObject({
      outcome: 'exists',
      adopted: false,
      instance: {
        cloudId: 'computeinstance-1',
        status: 'pending',
        location: 'eu-north1',
        instanceTypeId: `eu-north1-noSub-${PLACE.instanceType}`,
        sshUser: 'ubuntu',
        sshPort: 22,
        createdAt: '2025-08-20T10:00:00.000Z',
      },
    });
    const { message, metadata } = sent.at(-1) ?? {};
    expect(message).toMatchObject({
      metadata: { parent_id: 'project-e00one', name: 'ref-1-1', labels: LABELS },
      spec: {
        resources: { platform: 'gpu-h100-sxm', preset: '8gpu-128vcpu-1600gb' },
        network_interfaces: [{ subnet_id: 'vpcsubnet-e00one', ip_address: {}, public_ip_address: {} }],
        boot_disk: {
          attach_mode: 'READ_WRITE',
          managed_disk: {
            name: 'ref-1-1-boot',
            labels: LABELS,
            // Rounded up: 100 GB are 93.1 GiB.
            spec: {
              type: 'NETWORK_SSD',
              size_gibibytes: 94,
              source_image_family: { image_family: 'ubuntu24.04-cuda13.0' },
            },
          },
        },
      },
    });
    const [key = ''] = PUBLIC_KEY.split(' ann');
    expect(JSON.stringify(message)).toContain(key);
    for (const port of [22, 2222]) expect(JSON.stringify(message)).toContain(`ufw allow ${port}/tcp`);
    expect(metadata?.['x-idempotency-key']).toBe(toIdempotencyKey('nebius-main', 'ref-1-1', 'project-e00one'));
    expect(metadata?.['x-idempotency-key']).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  it.each([
    ['a GPU', PLACE.instanceType, undefined, { source_image_family: { image_family: 'ubuntu24.04-cuda13.0' } }],
    ['no GPU', 'cpu-d3.4vcpu-16gb', undefined, { source_image_family: { image_family: 'ubuntu24.04-driverless' } }],
    ['a family', PLACE.instanceType, 'ubuntu22.04', { source_image_family: { image_family: 'ubuntu22.04' } }],
    ['an image', PLACE.instanceType, 'computeimage-e00x', { source_image_id: 'computeimage-e00x' }],
  ])('boots the image that goes with %s', async (_what, instanceType, imageId, source) => {
    const { sent } = await create({}, { instanceType, ...(imageId && { imageId }) });
    expect(sent.at(-1)?.message).toMatchObject({
      spec: { boot_disk: { managed_disk: { spec: { size_gibibytes: 1_280, ...source } } } },
    });
  });

  it.each([
    ['a type without a preset', { instanceType: 'gpu-h100-sxm' }, /instanceType/],
    ['user data that leaves no room', { userDataBase64: Buffer.alloc(33_000, 'x').toString('base64') }, /userData/],
    ['user data that is no text', { userDataBase64: Buffer.from([0x1f, 0x8b, 0xff]).toString('base64') }, /userData/],
    ['a key that would break out of the config', { publicKeys: [`ssh-rsa AAAA"\nruncmd: [reboot]`] }, /publicKeys/],
  ])('is refused with %s, by name and before anything is sent', async (_what, change, message) => {
    const { outcome, sent } = await create({}, change);
    const failure = { kind: 'InvalidRequest', message: expect.stringMatching(message) };
    expect(outcome).toMatchObject({ outcome: 'refused', failure });
    expect(sent).toEqual([]);
  });

  it('never picks another preset or platform for one that is not there', async () => {
    const cloud = await cloudWith({ accounts: [withServiceAccount({ apiKey: API_KEY, name: 'default' })] });
    const provider = openProvider({ ...CREDENTIAL, apiUrl: cloud.url, tenantId: NEBIUS_TENANT });
    const attrs = { ...ATTRS, location: 'eu-north-1', instanceType: 'gpu-a10.9gpu-1vcpu-1gb' };
    const outcome = await provider.createInstance(attrs, calm);
    expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind: 'InvalidRequest' } });
    expect((await cloud.control.report()).created).toBe(0);
  });

  it.each([
    ['a region without a project', { location: 'mars-1' }, {}, /mars-1.*eu-north1/],
    ['a project without a default subnet', {}, { [SUBNETS]: reply({ items: [] }) }, /subnetIds/],
  ])('is refused in %s, and says what to do', async (_what, change, answers, message) => {
    const { outcome, calls } = await create(answers, change);
    const failure = { kind: 'InvalidRequest', message: expect.stringMatching(message) };
    expect(outcome).toMatchObject({ outcome: 'refused', failure });
    expect(calls()).not.toContain(CREATE);
  });

  it('goes to the default project of the region, or to the one that is configured, and to a subnet that is', async () => {
    const answers = {
      [PROJECTS]: reply({
        items: [
          project('project-e00a', 'eu-north1', 'lab'),
          project('project-e00b', 'eu-north1'),
          project('project-u00c', 'us-central1'),
        ],
      }),
      [SUBNETS]: reply({ items: [{ metadata: { id: 'vpcsubnet-e00x', name: 'x' } }, { metadata: { id: 'y' } }] }),
    };
    const of = async (credential: object) => (await create(answers, {}, credential)).sent.at(-1)?.message;
    expect(await of({ subnetIds: ['y'] })).toMatchObject({ metadata: { parent_id: 'project-e00b' } });
    expect(await of({ subnetIds: ['y'], projectIds: ['project-e00a'] })).toMatchObject({
      metadata: { parent_id: 'project-e00a' },
      spec: { network_interfaces: [{ subnet_id: 'y' }] },
    });
    const { outcome } = await create(answers, {}, { projectIds: ['project-e00z'] });
    expect(outcome).toMatchObject({
      outcome: 'refused',
      failure: { message: expect.stringContaining('project-e00z') },
    });
  });

  it.each([
    ['its own', {}, { outcome: 'exists', adopted: true, instance: { cloudId: 'computeinstance-1' } }],
    ['another’s', { refId: 'ref-2' }, { outcome: 'refused', failure: { kind: 'InvalidRequest' } }],
  ])('whose name is taken by %s machine is looked up by that name', async (_what, labels, expected) => {
    const named = instance('CREATING', { metadata: { ...instance('').metadata, labels: { ...LABELS, ...labels } } });
    const taken = refusal(6, { resource_already_exists: { resource_id: 'computeinstance-1' } });
    const { outcome, sent } = await create({ [CREATE]: taken, [BY_NAME]: reply(named) });
    expect(outcome).toMatchObject(expected);
    const look = sent.find(({ call }) => call === BY_NAME);
    expect(look?.message).toEqual({ parent_id: 'project-e00one', name: 'ref-1-1' });
  });

  it('whose name is taken by what is on its way out is told to wait; by what cannot be looked at, unknown', async () => {
    const going = await create({ [CREATE]: refusal(6), [BY_NAME]: reply(instance('DELETING')) });
    expect(going.outcome).toMatchObject({ outcome: 'refused', failure: { kind: 'ServiceUnavailable' } });
    const dark = await create({ [CREATE]: refusal(6), [BY_NAME]: refusal(14) });
    expect(dark.outcome.outcome).toBe('unknown');
  });

  it('that fails after it was accepted leaves nothing, and says what the operation says', async () => {
    const operation = { id: 'op-1', resource_id: 'computeinstance-1' };
    const { outcome, calls } = await create(
      {
        [OPERATION]: [reply(operation), reply({ ...operation, status: failed(8, { not_enough_resources: {} }) })],
        [DELETE]: reply({ id: 'op-2' }),
        [GET]: [reply(instance('DELETING')), refusal(5)],
      },
      {},
      { acceptMs: 10_000 },
    );
    expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind: 'InsufficientResources' } });
    expect(calls().slice(-6)).toEqual([OPERATION, OPERATION, DELETE, GET, DELETE, GET]);
  });

  it('that fails so and cannot be taken away is unknown: it may still be there', async () => {
    const accepted = reply({ id: 'op-1', resource_id: 'computeinstance-1', status: failed(13) });
    const { outcome } = await create({ [CREATE]: accepted, [DELETE]: refusal(14) });
    expect(outcome).toMatchObject({ outcome: 'unknown', failure: { kind: 'Internal' } });
  });

  it.each([
    ['no longer answers', refusal(14)],
    ['is forgotten', refusal(5)],
  ])('is accepted all the same when its operation %s', async (_what, answer) => {
    const { outcome } = await create({ [OPERATION]: answer }, {}, { acceptMs: 5_000 });
    expect(outcome).toMatchObject({ outcome: 'exists', instance: { cloudId: 'computeinstance-1' } });
  });

  it('answered without an id is unknown', async () => {
    const { outcome } = await create({ [CREATE]: reply({ id: 'op-1' }) });
    expect(outcome).toMatchObject({ outcome: 'unknown', failure: { kind: 'Internal' } });
  });

  it('has a name that Nebius takes, whatever the attempt’s key looks like', async () => {
    const { sent } = await create({}, { attemptKey: `R${'e'.repeat(62)}-1` });
    const { name } = (sent.at(-1)?.message.metadata ?? {}) as { name: string };
    expect(name).toMatch(/^[a-z][a-z0-9-]{1,62}$/);
  });

  it('has a boot disk with a name of its own for each attempt, however long the refId', async () => {
    const diskOf = async (attemptKey: string) => {
      const { message } = (await create({}, { attemptKey })).sent.at(-1) ?? {};
      const { spec } = (message ?? {}) as { spec?: { boot_disk: { managed_disk: { name: string } } } };
      return spec?.boot_disk.managed_disk.name;
    };
    const names = await Promise.all(['1', '2', '10'].map((attempt) => diskOf(`${'r'.repeat(59)}-${attempt}`)));
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9-]{1,62}$/);
  });
});

describe('a listing', () => {
  const two = {
    [PROJECTS]: reply({ items: [project('project-e00a', 'eu-north1'), project('project-u00b', 'us-central1')] }),
  };
  const at = (id: string, projectId: string) =>
    instance('RUNNING', { metadata: { ...instance('').metadata, id, parent_id: projectId } });

  it('holds the machines of every project, each in its project’s region, all pages', async () => {
    const { provider, sent } = await script({
      ...two,
      [LIST]: [
        reply({ items: [at('i-1', 'project-e00a')], next_page_token: 'more' }),
        reply({ items: [at('i-2', 'project-e00a')] }),
        reply({ items: [at('i-3', 'project-u00b')] }),
      ],
    });
    const listed = await provider.listInstances(calm);
    expect(listed.map(({ cloudId, location }) => [cloudId, location])).toEqual([
      ['i-1', 'eu-north1'],
      ['i-2', 'eu-north1'],
      ['i-3', 'us-central1'],
    ]);
    const pages = sent.filter(({ call }) => call === LIST).map(({ message }) => message);
    expect(pages).toMatchObject([
      { parent_id: 'project-e00a', page_size: 100, page_token: '' },
      { parent_id: 'project-e00a', page_token: 'more' },
      { parent_id: 'project-u00b', page_token: '' },
    ]);
  });

  it('is an error when one project cannot be listed: what is missing would be taken for gone', async () => {
    const { provider } = await script({ ...two, [LIST]: [reply({ items: [at('i-1', 'project-e00a')] }), refusal(14)] });
    await expect(provider.listInstances(calm)).rejects.toMatchObject({ kind: 'ServiceUnavailable' });
  });

  it.each([
    ['a row without an id', { items: [{ metadata: { labels: LABELS } }] }],
    ['one machine twice', { items: [instance('RUNNING'), instance('RUNNING')] }],
  ])('with %s is an error, never a shorter list', async (_what, body) => {
    const { provider } = await script({ [LIST]: reply(body) });
    await expect(provider.listInstances(calm)).rejects.toMatchObject({ kind: 'Internal' });
  });

  it('knows a project that came after it last looked', async () => {
    const later = reply({ items: [project('project-e00one', 'eu-north1'), project('project-u00b', 'us-central1')] });
    const { provider } = await script({
      [PROJECTS]: [reply({ items: [project('project-e00one', 'eu-north1')] }), later],
      [GET]: reply(at('i-9', 'project-u00b')),
    });
    await provider.listInstances(calm);
    expect(await provider.getInstance('i-9', '', calm)).toMatchObject({ location: 'us-central1' });
  });

  it('gives addresses without their masks', async () => {
    expect(await seen(instance('RUNNING'))).toMatchObject({
      publicAddress: '203.0.113.9',
      privateAddress: '10.0.0.5',
    });
  });
});

describe('the catalog', () => {
  const preset = (name: string, gpu_count: number, vcpu_count = 16, memory_gibibytes = 200) => ({
    name,
    resources: { gpu_count, vcpu_count, memory_gibibytes },
  });
  const platform = (name: string, presets: object[], spec: object = {}) => ({
    metadata: { id: `computeplatform-${name}`, name },
    spec: { presets, ...spec },
  });
  const H100 = platform('gpu-h100-sxm', [preset('1gpu-16vcpu-200gb', 1), preset('8gpu-128vcpu-1600gb', 8)], {
    gpu_count_quota_type: 'compute.instance.gpu.h100',
    gpu_memory_gigabytes: 80,
  });
  const CPU = platform('cpu-d3', [preset('4vcpu-16gb', 0, 4, 16)]);
  const quota = (name: string, usage: number, limit?: number, state = 'STATE_ACTIVE', region = 'eu-north1') => ({
    metadata: { name },
    spec: { region, ...(limit !== undefined && { limit }) },
    status: { state, usage },
  });
  const advice = (presetName: string, on_demand: object, fabric = 'f1') => ({
    spec: { region: 'eu-north1', fabric, compute_instance: { platform: 'gpu-h100-sxm', preset: { name: presetName } } },
    status: { on_demand },
  });
  const FRESH = { data_state: 'DATA_STATE_FRESH' };
  const types = async (answers: Record<string, CannedReply>) => {
    const rest = { [PLATFORMS]: reply({ items: [H100] }), [QUOTAS]: reply({}), [ADVICE]: reply({}) };
    const { provider, calls } = await script({ ...rest, ...answers });
    return { types: await provider.listInstanceTypes(calm), provider, calls };
  };
  const available = async (quotas: object[], rows: object[] = [], items: object[] = [H100]) => {
    const answers = {
      [PLATFORMS]: reply({ items }),
      [QUOTAS]: reply({ items: quotas }),
      [ADVICE]: reply({ items: rows }),
    };
    return (await types(answers)).types.filter(({ isAvailable }) => isAvailable).map(({ vcpu }) => vcpu);
  };

  it('calls a type platform.preset, splits it at the first dot, and gives it the id of its machines', async () => {
    const { types: listed } = await types({});
    expect(listed.map(({ id }) => id)).toEqual([
      'eu-north1-noSub-gpu-h100-sxm.1gpu-16vcpu-200gb',
      'eu-north1-noSub-gpu-h100-sxm.8gpu-128vcpu-1600gb',
    ]);
    expect(listed[1]).toMatchObject({
      gpus: [{ name: 'H100', count: 8, memoryPerGpu: { value: 80, unit: 'GB' } }],
      memory: { value: 200, unit: 'GiB' },
      pricePerHour: { amount: '23.60', currency: 'USD' },
      architecture: 'x86_64',
    });
    expect((await seen(instance('RUNNING'))).instanceTypeId).toBe(listed[1]?.id);
    expect(splitTypeName('gpu-a.b.c')).toEqual({ platform: 'gpu-a', preset: 'b.c' });
  });

  it.each([
    ['gpu-gb300', 'GB300', 'arm64', 270],
    ['gpu-gb200', 'GB200', 'arm64', 192],
    ['gpu-b300-sxm', 'B300', 'x86_64', 270],
    ['gpu-b200-sxm', 'B200', 'x86_64', 192],
    ['gpu-b200-sxm-a', 'B200', 'x86_64', 192],
    ['gpu-h200-sxm', 'H200', 'x86_64', 141],
    ['gpu-h100-sxm', 'H100', 'x86_64', 80],
    ['gpu-rtx6000', 'RTX PRO 6000', 'x86_64', 96],
    ['gpu-l40s-a', 'L40S', 'x86_64', 48],
    ['gpu-l40s-d', 'L40S', 'x86_64', 48],
    ['gpu-a100', 'A100', 'x86_64', 80],
    ['gpu-v100-sxm2', 'V100', 'x86_64', 32],
    ['gpu-a10', 'A10', 'x86_64', 24],
    ['gpu-t4', 'T4', 'x86_64', 16],
    ['gpu-l4', 'L4', 'x86_64', 24],
  ])('knows the GPU of %s', async (name, gpu, architecture, gigabytes) => {
    const items = [platform(name, [preset('1gpu', 1)])];
    const [type] = (await types({ [PLATFORMS]: reply({ items }) })).types;
    expect(type).toMatchObject({ architecture, gpus: [{ name: gpu, memoryPerGpu: { value: gigabytes } }] });
    expect(modelOf(name)).toBe(gpu.replace('RTX PRO ', 'RTX'));
  });

  it('believes what a platform says of its memory before our own table, and lists what it does not know', async () => {
    const items = [
      platform('gpu-h100-sxm', [preset('1gpu', 1)], { gpu_memory_gigabytes: 94 }),
      platform('gpu-x900', [preset('1gpu', 1)]),
      CPU,
    ];
    const { types: listed } = await types({ [PLATFORMS]: reply({ items }) });
    expect(listed.map(({ gpus }) => gpus)).toEqual([
      [],
      [{ name: 'H100', count: 1, memoryPerGpu: { value: 94, unit: 'GB' } }],
      [{ name: 'X900', count: 1 }],
    ]);
  });

  it.each([
    ['there is no quota', [], []],
    ['the quota is used up', [quota('compute.instance.gpu.h100', 8, 8)], []],
    ['the quota has room for one', [quota('compute.instance.gpu.h100', 7, 8)], [16]],
    ['the quota is not active', [quota('compute.instance.gpu.h100', 0, 8, 'STATE_FROZEN')], []],
    ['the quota is another region’s', [quota('compute.instance.gpu.h100', 0, 8, 'STATE_ACTIVE', 'us-central1')], []],
    ['the quota has no limit', [quota('compute.instance.gpu.h100', 900)], [16, 16]],
  ])('says what can be had when %s', async (_what, quotas, expected) => {
    expect(await available(quotas)).toEqual(expected);
  });

  it.each([
    ['nothing is free', [advice('1gpu-16vcpu-200gb', { ...FRESH, available: 0 })], 1],
    [
      'one fabric has some',
      [
        advice('1gpu-16vcpu-200gb', { ...FRESH, available: 0 }),
        advice('1gpu-16vcpu-200gb', { ...FRESH, available: 2 }, 'f2'),
      ],
      2,
    ],
    ['nobody knows', [advice('1gpu-16vcpu-200gb', { data_state: 'DATA_STATE_UNKNOWN', available: 5 })], 1],
    [
      'the limit is reached',
      [
        advice('1gpu-16vcpu-200gb', {
          ...FRESH,
          available: 5,
          availability_level: 'AVAILABILITY_LEVEL_LIMIT_REACHED',
        }),
      ],
      1,
    ],
    ['there is no row', [], 2],
  ])('counts %s types where, of stock, %s', async (_what, rows, expected) => {
    expect(await available([quota('compute.instance.gpu.h100', 0, 100)], rows)).toHaveLength(expected);
  });

  it('counts processors and bytes for types without a GPU, and no stock', async () => {
    const vcpu = (free: number) => quota('compute.instance.non-gpu.vcpu', 0, free);
    const memory = (gib: number) => quota('compute.instance.non-gpu.memory', 0, gib * 2 ** 30);
    expect(await available([vcpu(4), memory(16)], [], [CPU])).toEqual([4]);
    expect(await available([vcpu(3), memory(16)], [], [CPU])).toEqual([]);
    expect(await available([vcpu(4), memory(15)], [], [CPU])).toEqual([]);
  });

  it('asks the price of a type once, and lists it without one where that cannot be had', async () => {
    const { provider, calls } = await types({});
    await provider.listInstanceTypes(calm);
    expect(calls().filter((call) => call === ESTIMATE)).toHaveLength(2);
    const { types: unpriced } = await types({ [ESTIMATE]: refusal(14) });
    expect(unpriced.map(({ pricePerHour }) => pricePerHour)).toEqual([undefined, undefined]);
  });

  it('shows each region its own platforms, by its own project', async () => {
    const { provider, sent } = await script({
      [PROJECTS]: reply({ items: [project('project-e00a', 'eu-north1'), project('project-u00b', 'us-central1')] }),
      [PLATFORMS]: [reply({ items: [H100] }), reply({ items: [CPU] })],
      [QUOTAS]: reply({}),
      [ADVICE]: reply({}),
    });
    const listed = await provider.listInstanceTypes(calm);
    expect(listed.map(({ location, gpus }) => [location, gpus.length])).toEqual([
      ['eu-north1', 1],
      ['eu-north1', 1],
      ['us-central1', 0],
    ]);
    expect(await provider.listLocations(calm)).toEqual(['eu-north1', 'us-central1']);
    const asked = sent.filter(({ call }) => call === PLATFORMS).map(({ message }) => message.parent_id);
    expect(asked).toEqual(['project-e00a', 'project-u00b']);
  });

  it.each([
    ['another platform', 'gpu-b200-sxm.8gpu-160vcpu-1792gb', {}, 'InvalidRequest'],
    ['a preset that is not there', 'gpu-h100-sxm.2gpu', {}, 'InvalidRequest'],
    ['a platform that keeps its presets', 'gpu-h100-sxm.1gpu-16vcpu-200gb', {}, 'NotSupported'],
    ['a machine that runs', 'gpu-h100-sxm.1gpu-16vcpu-200gb', { allow_preset_change: true }, 'NotYet'],
  ] as const)('refuses a change of type to %s', async (_what, instanceType, spec, kind) => {
    const { provider } = await script({
      [GET]: reply(instance('RUNNING')),
      [PLATFORM]: reply({ ...H100, spec: { ...H100.spec, ...spec } }),
      [UPDATE]: refusal(9, { bad_resource_state: {} }),
    });
    const change = provider.changeInstanceType('computeinstance-1', '', instanceType, calm);
    await expect(change).rejects.toMatchObject({ kind });
  });
});

describe('a disk that a failed create has left', () => {
  const disk = (id: string, labels: object, status: object = {}) => ({ metadata: { id, labels }, status });
  const OURS = { cloudCredRefId: 'nebius-main', 'slipway-attempt': 'gone-1' };
  const listing = async (disks: object[], timing: { orphanMs: number }, listings: number) => {
    const { NebiusProvider } = await import('../../src/adapters/nebius/adapter.js');
    const { NebiusClient } = await import('../../src/adapters/nebius/client.js');
    const { Channels } = await import('../../src/adapters/nebius/channels.js');
    const { Places } = await import('../../src/adapters/nebius/places.js');
    const { readServiceAccountKey, TokenSource } = await import('../../src/adapters/nebius/token.js');
    const { sent, apiUrl } = await script({
      [LIST]: reply({ items: [instance('RUNNING')] }),
      [DISKS]: reply({ items: disks }),
      [DELETE_DISK]: reply({ id: 'op-3' }),
    });
    const channels = new Channels({ apiUrl, timeoutMs: 5_000 });
    const tokens = new TokenSource(channels, readServiceAccountKey(CREDENTIAL.serviceAccountKey));
    const client = new NebiusClient(channels, tokens, {});
    const provider = new NebiusProvider(client, new Places(client, { tenantId: CREDENTIAL.tenantId }), {
      cloudCredRefId: 'nebius-main',
      tenantId: CREDENTIAL.tenantId,
      limits: { pollIntervalMs: 1, listingLagMs: 0 },
      sshPort: 22,
      acceptMs: 0,
      orphanTiming: { ...timing, lookEveryMs: 0 },
    });
    for (let i = 0; i < listings; i += 1) {
      await provider.listInstances(calm);
      await provider.orphanDisks.settled();
    }
    return sent.filter(({ call }) => call === DELETE_DISK).map(({ message }) => message.id);
  };

  it('goes with the second listing that finds it without a machine', async () => {
    expect(await listing([disk('d-1', OURS)], { orphanMs: 0 }, 1)).toEqual([]);
    expect(await listing([disk('d-1', OURS)], { orphanMs: 0 }, 2)).toEqual(['d-1']);
  });

  it('stays while it may yet get its machine', async () => {
    expect(await listing([disk('d-1', OURS)], { orphanMs: 600_000 }, 3)).toEqual([]);
  });

  it.each([
    ['is attached', disk('d-1', OURS, { read_write_attachment: 'computeinstance-7' })],
    ['is of a machine that is listed', disk('d-1', OURS, { managed_by: 'computeinstance-1' })],
    ['is of an attempt that has a machine', disk('d-1', { ...OURS, 'slipway-attempt': 'ref-1-1' })],
    ['is somebody’s', disk('d-1', {})],
    ['is of another credential', disk('d-1', { ...OURS, cloudCredRefId: 'other' })],
    ['goes already', disk('d-1', OURS, { state: 'DELETING' })],
  ])('stays when it %s', async (_what, one) => {
    expect(await listing([one], { orphanMs: 0 }, 3)).toEqual([]);
  });
});

describe('the credential', () => {
  it.each([
    ['a path in apiUrl', { apiUrl: 'http://127.0.0.1:1/nebius' }, /apiUrl/],
    ['no tenant', { tenantId: undefined }, /tenantId/],
    ['a field that is another provider’s', { apiKey: 'planted-api-key' }, /apiKey/],
  ])('is refused with %s', (_what, change, message) => {
    const { tenantId, ...rest } = { ...CREDENTIAL, ...change };
    const credentials = [{ ...rest, ...(tenantId !== undefined && { tenantId }) }];
    expect(() => createProviders({ credentials })).toThrow(message);
  });

  it('reaches the vendor’s own hosts over TLS when no address is given, each service at its own', async () => {
    const { RPCS } = await import('../../src/adapters/nebius/client.js');
    const hosts = new Set(Object.values(RPCS).map(({ host }) => `${host}.api.nebius.cloud`));
    expect([...hosts].sort()).toEqual([
      'api.calculator.billing-data-plane.api.nebius.cloud',
      'capacity-advisor.billing-cpl.api.nebius.cloud',
      'compute.api.nebius.cloud',
      'cpl.iam.api.nebius.cloud',
      'quota-dispatcher.billing-cpl.api.nebius.cloud',
      'vpc.api.nebius.cloud',
    ]);
  });
});
