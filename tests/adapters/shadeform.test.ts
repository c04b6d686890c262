import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { CredentialConfig } from '../../src/adapters/credential.js';
import { keyNameOf } from '../../src/adapters/key-names.js';
import { KIND_BY_CODE } from '../../src/adapters/shadeform/errors.js';
import { toLaunchScript } from '../../src/adapters/shadeform/launch-script.js';
import { STATUS, splitTypeName } from '../../src/adapters/shadeform/mapping.js';
import type { ErrorKind } from '../../src/domain/errors.js';
import { NO_RULES } from '../../src/domain/firewall.js';
import type { CreateInstanceAttrs, LifecycleStatus } from '../../src/domain/provider.js';
import { type Canned, scripted as cannedScript, json } from './canned.js';
import { API_KEY, attrsFor, calm, cloudWith, openProvider, PUBLIC_KEY } from './clouds.js';
import { wireTruth } from './wire-truth.js';

/* What is Shadeform's own: its tables, its odd answers, the bugs that others have. The rest is in the contract suite. */

const run = promisify(execFile);

const wire = wireTruth({ file: 'shadeform.yaml', below: '/v1', onlyRequests: true });
const scripted = (credential: CredentialConfig, answers: Parameters<typeof cannedScript>[1]) =>
  cannedScript(credential, answers, wire);

const CREDENTIAL: CredentialConfig = {
  cloudCredRefId: 'shade-main',
  provider: 'shadeform',
  apiUrl: 'http://shade.test/v1',
  apiKey: API_KEY,
  createsPerMinute: 600_000,
};
const PLACE = { location: 'desmoines-usa-1', instanceType: 'massedcompute_L40' };
const ATTRS: CreateInstanceAttrs = attrsFor('ref-1', { ...PLACE, cloudCredRefId: 'shade-main' });
const KEY_NAME = keyNameOf(ATTRS);
const OTHER_KEY = PUBLIC_KEY.replace(/AAAA(.{20}).{4}/, 'AAAA$1abcd');

const LIST = 'GET /instances';
const ADD_KEY = 'POST /sshkeys/add';
const KEYS = 'GET /sshkeys';
const CREATE = 'POST /instances/create';
const INFO = 'GET /instances/i-1/info';
const DELETE = 'POST /instances/i-1/delete';
const RESTART = 'POST /instances/i-1/restart';
const UPDATE = 'POST /instances/i-1/update';
const DELETE_KEY = 'POST /sshkeys/k-1/delete';

const EMPTY = json(200, '');
const HTML = '<html><body>502 Bad Gateway</body></html>';
const READY = {
  [LIST]: json(200, { instances: [] }),
  [ADD_KEY]: json(200, { id: 'k-1' }),
  [CREATE]: json(200, { id: 'i-1' }),
  [DELETE_KEY]: EMPTY,
};
const TAGS = ['refId=ref-1', 'cloudCredRefId=shade-main', 'slipway-attempt=ref-1-1', 'team=a'];
const instance = (change: object = {}) => ({
  id: 'i-1',
  cloud: 'massedcompute',
  region: 'desmoines-usa-1',
  shade_instance_type: 'L40',
  name: 'name-of-ref-1',
  ip: '203.0.113.9',
  ssh_user: 'shadeform',
  ssh_port: 22,
  status: 'active',
  hourly_price: 110,
  tags: TAGS,
  created_at: '2026-08-20T10:00:00Z',
  ...change,
});

const seen = async (change: object) =>
  await scripted(CREDENTIAL, { [INFO]: json(200, instance(change)) }).provider.getInstance('i-1', '', calm);
const create = async (answers: Record<string, Canned | Canned[]>, change: Partial<CreateInstanceAttrs> = {}) => {
  const script = scripted(CREDENTIAL, { ...READY, ...answers });
  return { ...script, outcome: await script.provider.createInstance({ ...ATTRS, ...change }, calm) };
};
const scriptOf = (body: unknown): string => {
  const { launch_configuration: launch } = body as {
    launch_configuration: { script_configuration: { base64_script: string } };
  };
  return Buffer.from(launch.script_configuration.base64_script, 'base64').toString();
};

describe('the status table', () => {
  const ROWS: [string, LifecycleStatus][] = [
    ['creating', 'pending'],
    ['pending_provider', 'pending'],
    ['pending', 'pending'],
    ['active', 'running'],
    ['error', 'failed'],
    ['deleting', 'terminating'],
    ['deleted', 'terminated'],
  ];

  it('has a row for every word in this test, and no other', () => {
    expect(STATUS).toEqual(Object.fromEntries(ROWS));
  });

  it.each(ROWS)('reads %s as %s, in the list and in info alike', async (word, status) => {
    const { provider } = scripted(CREDENTIAL, { [LIST]: json(200, { instances: [instance({ status: word })] }) });
    expect(await seen({ status: word })).toMatchObject({ status });
    expect(await provider.listInstances(calm)).toMatchObject([{ status }]);
  });

  it.each(['hibernating', '', 'toString'])('reads %j, which nobody knows, as pending and quotes it', async (word) => {
    expect(await seen({ status: word, status_details: 'zzz' })).toMatchObject({
      status: 'pending',
      statusMessage: expect.stringMatching(new RegExp(`${word}.*zzz`)),
    });
  });
});

describe('the error table', () => {
  const said = (status: number, error_code?: string): Canned =>
    json(status, { ...(error_code && { error_code }), error: 'in their words' }, { 'x-request-id': 'req-1' });
  /** Answer, the kind of a get, how a create goes and its kind if that is another. */
  const ROWS: [string, Canned, ErrorKind, 'refused' | 'unknown', ErrorKind?][] = [
    ['409 OUT_OF_STOCK', said(409, 'OUT_OF_STOCK'), 'InsufficientResources', 'refused'],
    ['409 with another code', said(409, 'OTHER'), 'InvalidRequest', 'refused'],
    ['409 without a code', said(409), 'InvalidRequest', 'unknown'],
    ['404', said(404), 'InstanceNotFound', 'refused', 'ResourceNotFound'],
    ['404 in plain text', json(404, 'instance not found'), 'InstanceNotFound', 'unknown', 'ResourceNotFound'],
    ['404 of a router', json(404, '404 page not found'), 'ServiceUnavailable', 'unknown'],
    ['404 of another router', json(404, { message: 'Not Found' }), 'ServiceUnavailable', 'refused'],
    ['404 as a web page', json(404, HTML), 'ServiceUnavailable', 'unknown'],
    ['401', said(401), 'Unauthenticated', 'refused'],
    ['403', said(403), 'PermissionDenied', 'refused'],
    ['402', said(402), 'OutOfQuota', 'refused'],
    ['400', said(400), 'InvalidRequest', 'refused'],
    ['429', json(429, 'slow down'), 'RateLimited', 'refused'],
    ['500', said(500), 'ServiceUnavailable', 'unknown'],
    ['500 in plain text', json(500, 'oops'), 'ServiceUnavailable', 'unknown'],
    ['502 as a web page', json(502, HTML), 'ServiceUnavailable', 'unknown'],
    ['503', said(503), 'ServiceUnavailable', 'unknown'],
    ['500 OUT_OF_STOCK', said(500, 'OUT_OF_STOCK'), 'InsufficientResources', 'unknown'],
  ];

  it('has a row here for every code that the adapter knows', () => {
    expect(Object.keys(KIND_BY_CODE)).toEqual(['OUT_OF_STOCK']);
  });

  it.each(ROWS)('reads %s', async (_what, answer, kind, outcome, createKind = kind) => {
    const { provider } = scripted(CREDENTIAL, { [INFO]: answer });
    await expect(provider.getInstance('i-1', '', calm)).rejects.toMatchObject({ kind });
    const created = await create({ [CREATE]: answer });
    expect(created.outcome).toMatchObject({ outcome, failure: { kind: createKind } });
  });

  it('says InsufficientResources of a region that does not exist, as Shadeform does', async () => {
    const cloud = await cloudWith();
    const provider = openProvider({ ...CREDENTIAL, apiUrl: `${cloud.url}/shadeform/v1` });
    const attrs = { ...ATTRS, location: 'mars-1', instanceType: 'simcloud_gpu_1x_a10' };
    expect(await provider.createInstance(attrs, calm)).toMatchObject({
      outcome: 'refused',
      failure: { kind: 'InsufficientResources', providerCode: 'OUT_OF_STOCK' },
    });
  });

  it('is done ending what is not there, and tries again what is busy', async () => {
    const at = (answer: Canned) =>
      scripted(CREDENTIAL, { [DELETE]: answer }).provider.terminateInstance('i-1', '', calm);
    await expect(at(said(404))).resolves.toBeUndefined();
    await expect(at(said(409, 'INVALID_STATE'))).rejects.toMatchObject({ kind: 'NotYet' });
    await expect(at(json(404, HTML))).rejects.toMatchObject({ kind: 'ServiceUnavailable' });
  });
});

describe('identity', () => {
  it('is in tags, whose values may hold "="; a tag without one is ignored, and fails nothing', async () => {
    expect(await seen({ tags: [...TAGS, 'remark', '=odd', 'eq=a=b', ''] })).toMatchObject({
      refId: 'ref-1',
      cloudCredRefId: 'shade-main',
      attemptKey: 'ref-1-1',
      tags: { team: 'a', eq: 'a=b' },
    });
  });

  it.each([
    ['no tags', undefined],
    ['tags of somebody’s', ['owner=bob', 'remark']],
    ['another credential', ['refId=ref-1', 'cloudCredRefId=other']],
  ])('of a machine with %s is not ours: it is not listed, and hides nothing', async (_what, tags) => {
    const foreign = { ...instance(), id: 'i-9', tags };
    const { provider } = scripted(CREDENTIAL, { [LIST]: json(200, { instances: [foreign, instance()] }) });
    expect((await provider.listInstances(calm)).map(({ cloudId }) => cloudId)).toEqual(['i-1']);
  });

  it('stays when the caller’s tags are replaced: a list of tags is replaced as a whole', async () => {
    const now = [...TAGS, 'slipway-created-at=2026-08-20T09:59:59.000Z', 'slipway-ssh-key=k'];
    const { provider, sent } = scripted(CREDENTIAL, {
      [INFO]: json(200, instance({ tags: now })),
      [UPDATE]: EMPTY,
    });
    await provider.updateTags('i-1', '', { team: 'b', refId: 'stolen', cloud: 'x' }, calm);
    expect(sent.at(-1)?.body).toEqual({
      tags: expect.arrayContaining([
        'refId=ref-1',
        'cloudCredRefId=shade-main',
        'slipway-attempt=ref-1-1',
        ...now.slice(4),
        'team=b',
        'cloud=x',
      ]),
    });
    expect(sent.at(-1)?.body).toHaveProperty('tags.length', 7);
  });
});

describe('odd answers', () => {
  it.each([
    ['no list', {}],
    ['a row without an id', { instances: [{ status: 'active' }] }],
    ['one machine twice', { instances: [instance(), instance()] }],
  ])('to a listing with %s are an error, never a shorter list', async (_what, body) => {
    const { provider } = scripted(CREDENTIAL, { [LIST]: json(200, body) });
    await expect(provider.listInstances(calm)).rejects.toMatchObject({ kind: 'Internal' });
  });

  it('with half of the fields, or a name for an address, are read all the same', async () => {
    expect(
      await seen({ ip: 'gpu-7.example.com', ssh_port: '2222', tags: null, created_at: '0001-01-01T00:00:00Z' }),
    ).toMatchObject({
      publicAddress: 'gpu-7.example.com',
      sshPort: 2222,
      createdAt: '1970-01-01T00:00:00.000Z',
    });
    const mapping = (port: unknown, publicPort: unknown) => ({ internal_port: port, external_port: publicPort });
    const mapped = await seen({
      ssh_port: 40_022,
      port_mappings: [mapping(22, 40_022), mapping('8080', 48_080), mapping(0, 1)],
    });
    expect(mapped).toMatchObject({
      sshPort: 40_022,
      portMappings: [
        { port: 22, publicPort: 40_022 },
        { port: 8_080, publicPort: 48_080 },
      ],
    });
    expect(await seen({ port_mappings: 'none' })).not.toHaveProperty('portMappings');
    expect(await seen({ ip: '', ssh_user: '' })).not.toHaveProperty('publicAddress');
  });

  it.each([
    ['no id', json(200, {})],
    ['nothing', EMPTY],
    ['a web page', json(200, HTML)],
  ])('to a create with %s are unknown', async (_what, answer) => {
    const { outcome } = await create({ [CREATE]: answer });
    expect(outcome).toMatchObject({ outcome: 'unknown', failure: { kind: 'Internal' } });
  });

  it('that are empty are enough for a delete, a restart and an update', async () => {
    const { provider } = scripted(CREDENTIAL, { [DELETE]: EMPTY, [RESTART]: EMPTY });
    await provider.rebootInstance('i-1', '', calm);
    await provider.terminateInstance('i-1', '', calm);
  });
});

describe('a create', () => {
  it('is three calls: look, key, create; and is not read back, so that no failed read orphans it', async () => {
    const { outcome, calls, sent } = await create({});
    expect(calls()).toEqual([LIST, ADD_KEY, CREATE]);
    expect(outcome).toMatchObject({
      outcome: 'exists',
      adopted: false,
      instance: { cloudId: 'i-1', status: 'pending' },
    });
    expect(sent.at(-1)?.body).toMatchObject({
      cloud: 'massedcompute',
      region: 'desmoines-usa-1',
      shade_instance_type: 'L40',
      shade_cloud: true,
      name: 'name-of-ref-1',
      ssh_key_id: 'k-1',
      tags: expect.arrayContaining([...TAGS, `slipway-ssh-key=${KEY_NAME}`]),
    });
  });

  it('has the same type id in both places: cloud, type and region', async () => {
    const type = {
      cloud: 'massedcompute',
      shade_instance_type: 'L40',
      hourly_price: 110,
      deployment_type: 'vm',
      configuration: { memory_in_gb: 128, vcpus: 24, num_gpus: 2, gpu_type: 'A100_80GB_PCIe', vram_per_gpu_in_gb: 80 },
      availability: [
        { region: 'desmoines-usa-1', available: false, display_name: '' },
        { region: 'a-region', available: true, display_name: '' },
      ],
    };
    const container = { ...type, cloud: 'boxes', deployment_type: 'container' };
    const grace = { ...type, shade_instance_type: 'GH', configuration: { num_gpus: 1, gpu_type: 'GH200' } };
    const body = { instance_types: [type, container, grace] };
    const { provider } = scripted(CREDENTIAL, { 'GET /instances/types': json(200, body) });
    const types = await provider.listInstanceTypes(calm);
    expect(types.map(({ id }) => id)).toEqual([
      'massedcompute_GH_a-region',
      'massedcompute_GH_desmoines-usa-1',
      'massedcompute_L40_a-region',
      'massedcompute_L40_desmoines-usa-1',
    ]);
    expect(types[0]).toMatchObject({ architecture: 'arm64', gpus: [{ name: 'GH200', count: 1 }] });
    expect(types[3]).toMatchObject({
      instanceType: 'massedcompute_L40',
      isAvailable: false,
      pricePerHour: { amount: '1.10', currency: 'USD' },
      gpus: [{ name: 'A100', count: 2, memoryPerGpu: { value: 80, unit: 'GB' } }],
      memory: { value: 128, unit: 'GB' },
      architecture: 'x86_64',
    });
    expect((await seen({})).instanceTypeId).toBe(types[3]?.id);
    expect(await provider.listLocations(calm)).toEqual(['a-region', 'desmoines-usa-1']);
  });

  it('splits a type at its first underscore', () => {
    expect(splitTypeName('verda_B200_x2_spot')).toEqual({ cloud: 'verda', shadeType: 'B200_x2_spot' });
  });

  it.each([
    ['a type without a cloud', { instanceType: 'L40' }, 'InvalidRequest', /instanceType/],
    ['a disk size', { diskSize: { value: 1, unit: 'TiB' as const } }, 'NotSupported', /disk/],
    [
      'user data that is no script',
      { userDataBase64: Buffer.from('#cloud-config\n').toString('base64') },
      'InvalidRequest',
      /script/,
    ],
    [
      'a key that would break out of the script',
      { publicKeys: [PUBLIC_KEY, `ssh-rsa AAAA'; reboot #`] },
      'InvalidRequest',
      /publicKeys/,
    ],
  ])('is refused with %s, by name and before anything is sent', async (_what, change, kind, message) => {
    const { outcome, sent } = await create({}, change);
    expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind, message: expect.stringMatching(message) } });
    expect(sent).toEqual([]);
  });
});

describe('an SSH key', () => {
  const TAKEN: [string, Canned][] = [
    ['JSON', json(400, { error: 'ssh key name must be unique' })],
    ['plain text', json(500, 'Name must be unique')],
  ];
  it.each(TAKEN)(
    'whose name is taken by itself, said in %s, is looked up and its id is sent',
    async (_form, refusal) => {
      const { outcome, sent, calls } = await create({
        [ADD_KEY]: refusal,
        [KEYS]: json(200, { ssh_keys: [{ id: 'k-7', name: KEY_NAME, public_key: PUBLIC_KEY, is_default: false }] }),
      });
      expect(calls()).toEqual([LIST, ADD_KEY, KEYS, CREATE]);
      expect(outcome.outcome).toBe('exists');
      expect(sent.at(-1)?.body).toMatchObject({ ssh_key_id: 'k-7' });
    },
  );

  it('whose name another key has taken gets another name', async () => {
    const { sent } = await create({
      [ADD_KEY]: [TAKEN[0]?.[1] ?? EMPTY, json(200, { id: 'k-2' })],
      [KEYS]: json(200, { ssh_keys: [{ id: 'k-7', name: KEY_NAME, public_key: OTHER_KEY, is_default: false }] }),
    });
    const name = keyNameOf(ATTRS, PUBLIC_KEY);
    expect(sent.at(-1)?.body).toMatchObject({
      ssh_key_id: 'k-2',
      tags: expect.arrayContaining([`slipway-ssh-key=${name}`]),
    });
  });

  it('goes with a create that was refused, and stays while nobody knows', async () => {
    const refused = await create({ [CREATE]: json(409, { error_code: 'OUT_OF_STOCK', error: '' }) });
    expect(refused.calls()).toContain(DELETE_KEY);
    const unknown = await create({ [CREATE]: json(502, HTML) });
    expect(unknown.calls()).not.toContain(DELETE_KEY);
  });
});

describe('the launch script', () => {
  const parts = {
    firewallRules: NO_RULES,
    firstKey: PUBLIC_KEY,
    otherKeys: [OTHER_KEY],
    callers: '#!/bin/sh\nexit 3\n',
  };

  it('brings the firewall first, with both SSH ports open, then keys, then the caller’s script', async () => {
    const { sent } = await create({}, { publicKeys: [PUBLIC_KEY, OTHER_KEY], userDataBase64: btoa('#!/bin/sh\n') });
    const script = scriptOf(sent.at(-1)?.body);
    const order = [
      'ufw default deny incoming',
      'ufw allow 22/tcp',
      'ufw allow 2222/tcp',
      'ufw --force enable',
      OTHER_KEY.split(' ')[1],
      btoa('#!/bin/sh\n'),
    ];
    const at = order.map((part) => script.indexOf(part ?? ''));
    expect(at).toEqual([...at].sort((a, b) => a - b));
    expect(at[0]).toBeGreaterThan(0);
  });

  it('is a script that a shell can read', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'slipway-')), 'launch.sh');
    await writeFile(file, toLaunchScript(parts));
    await expect(run('sh', ['-n', file])).resolves.toBeTruthy();
  });

  it('puts the other keys where the first one is, once, and nowhere else', async () => {
    const root = await mkdtemp(join(tmpdir(), 'slipway-'));
    const homes = { shadeform: `${PUBLIC_KEY.split(' ').slice(0, 2).join(' ')} theirs`, other: 'ssh-rsa AAAAnobody x' };
    for (const [user, line] of Object.entries(homes)) {
      await mkdir(join(root, 'home', user, '.ssh'), { recursive: true });
      await writeFile(join(root, 'home', user, '.ssh/authorized_keys'), line); // without a line break at its end
    }
    const script = toLaunchScript(parts);
    const keys = script.slice(script.indexOf('authorise()'), script.indexOf("echo '"));
    const file = join(root, 'keys.sh');
    await writeFile(file, keys.replaceAll('/home/', `${root}/home/`).replaceAll('/root/', `${root}/root/`));
    for (let i = 0; i < 2; i += 1) await run('sh', [file]);
    const of = (user: string) => readFile(join(root, 'home', user, '.ssh/authorized_keys'), 'utf8');
    const bare = OTHER_KEY.trim().split(' ').slice(0, 2).join(' ');
    expect((await of('shadeform')).split('\n')).toEqual([homes.shadeform, bare, '']);
    expect(await of('other')).toBe(homes.other);
  });
});

describe('what is sent, in the tests above', () => {
  it.skipIf(!wire.isHere)('is as the vendor’s document says', () => {
    expect(wire.seen().length).toBeGreaterThan(5);
    expect(wire.faults()).toEqual([]);
  });
});
