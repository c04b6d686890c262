import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { CredentialConfig } from '../../src/adapters/credential.js';
import { keyNameOf } from '../../src/adapters/key-names.js';
import { KIND_BY_CODE } from '../../src/adapters/lambda-labs/errors.js';
import { TAG } from '../../src/adapters/lambda-labs/identity.js';
import { STATUS } from '../../src/adapters/lambda-labs/mapping.js';
import type { ErrorKind, ProviderError } from '../../src/domain/errors.js';
import type { CreateInstanceAttrs, LifecycleStatus, Provider } from '../../src/domain/provider.js';
import { type Canned, scripted as cannedScript, json } from './canned.js';
import { API_KEY, attrsFor, calm, PUBLIC_KEY } from './clouds.js';
import { wireTruth } from './wire-truth.js';

/* What is Lambda's own: its tables, its odd answers, the bugs that others have. The rest is in the contract suite. */

const wire = wireTruth({ file: 'lambdalabs.yaml', below: '', onlyRequests: true });
const scripted = (credential: CredentialConfig, answers: Parameters<typeof cannedScript>[1]) =>
  cannedScript(credential, answers, wire);

const CREDENTIAL: CredentialConfig = {
  cloudCredRefId: 'lambda-main',
  provider: 'lambda-labs',
  apiUrl: 'http://lambda.test/api/v1',
  apiKey: API_KEY,
  requestsPerSecond: 10_000,
  createsPerMinute: 600_000,
};
const PLACE = { location: 'us-west-1', instanceType: 'gpu_1x_a10' };
const ATTRS: CreateInstanceAttrs = attrsFor('ref-1', { ...PLACE, cloudCredRefId: 'lambda-main' });
const KEY_NAME = keyNameOf(ATTRS);
const OTHER_KEY = PUBLIC_KEY.replace(/AAAA(.{20}).{4}/, 'AAAA$1abcd');

const LIST = 'GET /instances';
const ADD_KEY = 'POST /ssh-keys';
const KEYS = 'GET /ssh-keys';
const LAUNCH = 'POST /instance-operations/launch';
const TERMINATE = 'POST /instance-operations/terminate';
const RESTART = 'POST /instance-operations/restart';
const GET = 'GET /instances/i-1';
const DELETE_KEY = 'DELETE /ssh-keys/k-1';
const ACCOUNT_RULES = 'GET /firewall-rules';
const ALL_OPEN = { protocol: 'all', port_range: [1, 65_535], source_network: '0.0.0.0/0', description: '' };

const data = (value: unknown): Canned => json(200, { data: value });
const refusal = (status: number, code: string, message = 'in their words'): Canned =>
  json(status, { error: { code, message } }, { 'x-request-id': 'req-1' });
const HTML = '<html><body>502 Bad Gateway</body></html>';
const BANNED = '<!DOCTYPE html><html><body>Error 1015: the owner has banned you temporarily</body></html>';

/** All that a create needs, up to the launch. */
const READY = {
  [LIST]: data([]),
  [ADD_KEY]: data({ id: 'k-1', name: KEY_NAME, public_key: PUBLIC_KEY }),
  [LAUNCH]: data({ instance_ids: ['i-1'] }),
  [DELETE_KEY]: data({}),
};

const ours = [
  { key: TAG.refId, value: 'ref-1' },
  { key: TAG.cloudCredRefId, value: 'lambda-main' },
  { key: TAG.attemptKey, value: 'ref-1-1' },
  { key: TAG.createdAt, value: '2026-11-22T10:00:00.000Z' },
];
const instance = (change: object = {}) => ({
  id: 'i-1',
  status: 'active',
  ssh_key_names: [KEY_NAME],
  file_system_names: [],
  region: { name: 'us-west-1', description: 'California' },
  instance_type: {
    name: 'gpu_1x_a10',
    description: '1x A10 (24 GB PCIe)',
    gpu_description: 'A10 (24 GB PCIe)',
    price_cents_per_hour: 75,
    specs: { vcpus: 30, memory_gib: 200, storage_gib: 1400, gpus: 1 },
  },
  actions: {},
  tags: ours,
  ...change,
});

const seen = async (change: object) =>
  await scripted(CREDENTIAL, { [GET]: data(instance(change)) }).provider.getInstance('i-1', 'us-west-1', calm);

const create = async (answers: Record<string, Canned | Canned[]>, change: Partial<CreateInstanceAttrs> = {}) => {
  const script = scripted(CREDENTIAL, { ...READY, ...answers });
  return { ...script, outcome: await script.provider.createInstance({ ...ATTRS, ...change }, calm) };
};

describe('the status table', () => {
  const ROWS: [string, LifecycleStatus][] = [
    ['booting', 'pending'],
    ['active', 'running'],
    ['unhealthy', 'running'],
    ['terminating', 'terminating'],
    ['terminated', 'terminated'],
    ['preempted', 'terminated'],
    ['error', 'failed'],
  ];

  it('has a row for every word in this test, and no other', () => {
    expect(STATUS).toEqual(Object.fromEntries(ROWS));
  });

  it.each(ROWS)('reads %s as %s', async (word, status) => {
    expect((await seen({ status: word })).status).toBe(status);
  });

  it.each(['unhealthy', 'preempted', 'error'])('keeps the word %s, which says more', async (word) => {
    expect(await seen({ status: word })).toMatchObject({ statusMessage: word });
  });

  it.each(['migrating', '', 'constructor'])('reads %j, which nobody knows, as pending and quotes it', async (word) => {
    expect(await seen({ status: word })).toMatchObject({
      status: 'pending',
      statusMessage: expect.stringContaining(JSON.stringify(word)),
    });
  });
});

describe('the error table', () => {
  /** Status, code, the kind of a listing, how a launch goes and its kind if that is another. */
  const ROWS: [number, string, ErrorKind, 'refused' | 'unknown', ErrorKind?][] = [
    [400, 'instance-operations/launch/insufficient-capacity', 'InsufficientResources', 'refused'],
    [400, 'global/quota-exceeded', 'OutOfQuota', 'refused'],
    [400, 'global/object-does-not-exist', 'ResourceNotFound', 'refused', 'InvalidRequest'],
    [404, 'global/object-does-not-exist', 'ResourceNotFound', 'refused', 'InvalidRequest'],
    [404, 'global/not-found', 'ResourceNotFound', 'refused'],
    [401, 'global/invalid-api-key', 'Unauthenticated', 'refused'],
    [403, 'global/account-inactive', 'PermissionDenied', 'refused'],
    [403, 'global/invalid-address', 'PermissionDenied', 'refused'],
    [403, 'global/forbidden', 'PermissionDenied', 'refused'],
    [400, 'global/invalid-parameters', 'InvalidRequest', 'refused'],
    [400, 'global/duplicate', 'InvalidRequest', 'refused'],
    [400, 'instance-operations/launch/file-system-in-wrong-region', 'InvalidRequest', 'refused'],
    [409, 'global/conflict', 'ServiceUnavailable', 'unknown'],
    [400, 'firewall-rulesets/firewall-ruleset-in-use', 'InvalidRequest', 'refused'],
    [409, 'filesystems/filesystem-in-use', 'InvalidRequest', 'unknown'],
    [400, 'provider/internal-unavailable', 'ServiceUnavailable', 'unknown'],
    [503, 'provider/anything-at-all', 'ServiceUnavailable', 'unknown'],
    [500, 'global/internal-error', 'Internal', 'unknown'],
    [500, 'global/unknown', 'Internal', 'unknown'],
    [502, 'global/internal-error', 'Internal', 'unknown'],
    [429, 'global/anything', 'RateLimited', 'refused'],
    [418, 'not/in-the-table', 'InvalidRequest', 'refused'],
    // Stock and quota before the class of the status.
    [500, 'instance-operations/launch/insufficient-capacity', 'InsufficientResources', 'refused'],
    [409, 'global/quota-exceeded', 'OutOfQuota', 'refused'],
  ];

  it('has a row here for every code that the adapter knows', () => {
    const tested = new Set(ROWS.map(([, code]) => code));
    expect(Object.keys(KIND_BY_CODE).filter((code) => !tested.has(code))).toEqual([]);
  });

  it.each(ROWS)('reads %i %s as %s; a launch is %s', async (status, code, kind, outcome, launchKind = kind) => {
    const { provider } = scripted(CREDENTIAL, { [LIST]: refusal(status, code) });
    const fact = { kind, providerCode: code, httpStatus: status, requestId: 'req-1', operation: 'listInstances' };
    await expect(provider.listInstances(calm)).rejects.toMatchObject({ kind, fact });
    const launched = await create({ [LAUNCH]: refusal(status, code) });
    expect(launched.outcome).toMatchObject({ outcome, failure: { kind: launchKind, providerCode: code } });
  });

  /** Without a code of theirs. */
  const BARE: [number, unknown, ErrorKind, 'refused' | 'unknown'][] = [
    [429, HTML, 'RateLimited', 'refused'],
    [429, BANNED, 'RateLimited', 'refused'],
    [403, BANNED, 'RateLimited', 'refused'],
    [403, HTML, 'PermissionDenied', 'unknown'],
    [404, { message: 'Route not found' }, 'ServiceUnavailable', 'refused'],
    [404, HTML, 'ServiceUnavailable', 'unknown'],
    [400, {}, 'InvalidRequest', 'refused'],
    [500, HTML, 'Internal', 'unknown'],
    [502, HTML, 'ServiceUnavailable', 'unknown'],
    [503, '', 'ServiceUnavailable', 'unknown'],
    [504, HTML, 'ServiceUnavailable', 'unknown'],
  ];
  it.each(BARE)('reads %i with %o as %s; a launch is %s', async (status, body, kind, outcome) => {
    const { provider } = scripted(CREDENTIAL, { [LIST]: json(status, body) });
    await expect(provider.listInstances(calm)).rejects.toMatchObject({ kind });
    expect((await create({ [LAUNCH]: json(status, body) })).outcome).toMatchObject({ outcome, failure: { kind } });
  });

  it.each([400, 404])('reads “does not exist” with %i on a machine’s path as InstanceNotFound', async (status) => {
    const answer = refusal(status, 'global/object-does-not-exist');
    const { provider } = scripted(CREDENTIAL, { [GET]: answer, [TERMINATE]: answer, [RESTART]: answer });
    await expect(provider.getInstance('i-1', 'us-west-1', calm)).rejects.toMatchObject({ kind: 'InstanceNotFound' });
    await expect(provider.terminateInstance('i-1', 'us-west-1', calm)).resolves.toBeUndefined();
    await expect(provider.rebootInstance('i-1', 'us-west-1', calm)).rejects.toMatchObject({ kind: 'InstanceNotFound' });
  });

  it('reads “does not exist” as ImageNotFound when the launch named an image', async () => {
    const { outcome } = await create(
      { [LAUNCH]: refusal(404, 'global/object-does-not-exist') },
      { imageId: 'lambda-stack-24-04' },
    );
    expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind: 'ImageNotFound' } });
  });

  it.each([
    json(400, { error: { code: 'global/invalid-parameters', message: 'Specified instance does not exist.' } }),
    json(404, { error: { message: 'instance does not exist' } }),
  ])('knows a missing machine by the words of older versions: %o', async (answer) => {
    const { provider } = scripted(CREDENTIAL, { [GET]: answer });
    await expect(provider.getInstance('i-1', 'us-west-1', calm)).rejects.toMatchObject({ kind: 'InstanceNotFound' });
  });

  it('never takes a 404 about no machine, or without a code, for the end of one', async () => {
    for (const answer of [refusal(404, 'global/not-found'), json(404, { message: 'Route not found' })]) {
      const { provider } = scripted(CREDENTIAL, { [TERMINATE]: answer });
      await expect(provider.terminateInstance('i-1', 'us-west-1', calm)).rejects.toMatchObject({
        kind: expect.stringMatching(/ResourceNotFound|ServiceUnavailable/),
      });
    }
  });

  it('calls a conflict NotYet when ending, and an outage when restarting, unless it restarts already', async () => {
    const conflict = refusal(409, 'global/conflict');
    const restarting = { restart: { available: false, reason_code: 'vm-action-in-progress' } };
    const booting = { restart: { available: false, reason_code: 'vm-has-not-launched' } };
    const at = (actions: object, status = 'active'): Provider =>
      scripted(CREDENTIAL, {
        [TERMINATE]: conflict,
        [RESTART]: conflict,
        [GET]: data(instance({ actions, status })),
      }).provider;
    const reboot = (provider: Provider) => provider.rebootInstance('i-1', 'us-west-1', calm);
    await expect(at({}).terminateInstance('i-1', 'us-west-1', calm)).rejects.toMatchObject({ kind: 'NotYet' });
    await expect(reboot(at(booting, 'booting'))).rejects.toMatchObject({ kind: 'ServiceUnavailable' });
    await expect(reboot(at({}))).rejects.toMatchObject({ kind: 'ServiceUnavailable' });
    await expect(reboot(at(restarting))).resolves.toBeUndefined();
  });

  it('quotes neither texts nor odd codes of the provider in what is kept', async () => {
    const { provider } = scripted(CREDENTIAL, { [LIST]: refusal(400, `it's <b>bad</b>`, `key ${API_KEY}`) });
    const thrown = await provider.listInstances(calm).catch((error: ProviderError) => error);
    expect(thrown).toMatchObject({ kind: 'InvalidRequest' });
    expect(inspect(thrown, { depth: 9 }) + JSON.stringify(thrown)).not.toMatch(/<b>|planted/);
  });
});

describe('odd answers', () => {
  it.each([
    ['no data', {}],
    ['a row without an id', { data: [{ status: 'active' }] }],
    ['one machine twice', { data: [instance(), instance()] }],
    ['half a JSON', '{"data": ['],
  ])('to a listing with %s are an error, never a shorter list', async (_what, body) => {
    const { provider } = scripted(CREDENTIAL, { [LIST]: json(200, body) });
    await expect(provider.listInstances(calm)).rejects.toMatchObject({ kind: 'Internal' });
  });

  it.each([
    ['without fields that are only usual', { id: 'i-1' }],
    ['with fields that nobody knows', instance({ workspace_id: 7, ssh_key_names: null, actions: 'none', tags: null })],
  ])('to a get %s are read all the same', async (_what, body) => {
    const { provider } = scripted(CREDENTIAL, { [GET]: data(body) });
    expect(await provider.getInstance('i-1', 'us-west-1', calm)).toMatchObject({ cloudId: 'i-1', sshUser: 'ubuntu' });
  });

  it.each([
    ['no id', { data: { instance_ids: [] } }],
    ['no list', { data: {} }],
    ['a web page', HTML],
  ])('to a launch with %s are unknown', async (_what, body) => {
    const { outcome } = await create({ [LAUNCH]: json(200, body) });
    expect(outcome).toMatchObject({ outcome: 'unknown', failure: { kind: 'Internal' } });
  });

  it('of 200 that do not name the machine are no success', async () => {
    const { provider } = scripted(CREDENTIAL, {
      [TERMINATE]: data({ terminated_instances: [] }),
      [RESTART]: data({ restarted_instances: [{ id: 'i-2' }] }),
    });
    await expect(provider.terminateInstance('i-1', 'us-west-1', calm)).rejects.toMatchObject({ kind: 'Internal' });
    await expect(provider.rebootInstance('i-1', 'us-west-1', calm)).rejects.toMatchObject({ kind: 'Internal' });
  });

  it('never show the Jupyter token', async () => {
    const shown = await seen({ jupyter_token: 'planted-jupyter', jupyter_url: 'https://j/?token=planted-jupyter' });
    expect(JSON.stringify(shown)).not.toContain('planted');
  });
});

describe('identity', () => {
  it('is read from tags, the time of creation too', async () => {
    expect(await seen({})).toMatchObject({
      refId: 'ref-1',
      cloudCredRefId: 'lambda-main',
      attemptKey: 'ref-1-1',
      createdAt: '2026-11-22T10:00:00.000Z',
    });
  });

  it('is read from the SSH key’s name when no tags are shown, of a time nobody knows', async () => {
    expect(await seen({ tags: undefined })).toMatchObject({
      refId: 'ref-1',
      cloudCredRefId: 'lambda-main',
      attemptKey: 'ref-1-1',
      createdAt: '1970-01-01T00:00:00.000Z',
    });
  });

  it.each([
    ['no key at all', []],
    ['a key of somebody’s', ['my-macbook']],
    ['a key of another credential', [keyNameOf({ ...ATTRS, cloudCredRefId: 'other' })]],
  ])('is nobody’s with %s: such a machine is not listed', async (_what, names) => {
    const { provider } = scripted(CREDENTIAL, { [LIST]: data([instance({ tags: [], ssh_key_names: names })]) });
    expect(await provider.listInstances(calm)).toEqual([]);
  });

  it('adopts a machine that only its key’s name tells', async () => {
    const { outcome, calls } = await create({ [LIST]: data([instance({ tags: undefined })]) });
    expect(outcome).toMatchObject({ outcome: 'exists', adopted: true, instance: { cloudId: 'i-1' } });
    expect(calls()).toEqual([LIST]);
  });

  it('keeps key names within 64 characters, also for the longest refId, and tells attempts apart', () => {
    const names = [1, 2].flatMap((attempt) => {
      const attrs = { ...ATTRS, attemptKey: `${'r'.repeat(63)}-${attempt}` };
      return [keyNameOf(attrs), keyNameOf(attrs, PUBLIC_KEY)];
    });
    expect(new Set(names).size).toBe(4);
    expect(Math.max(...names.map(({ length }) => length))).toBeLessThanOrEqual(64);
  });
});

describe('a launch', () => {
  it('is three calls: look, key, launch; and is not read back', async () => {
    const { outcome, calls } = await create({});
    expect(calls()).toEqual([LIST, ADD_KEY, LAUNCH]);
    expect(outcome).toMatchObject({
      outcome: 'exists',
      adopted: false,
      instance: { cloudId: 'i-1', status: 'pending' },
    });
  });

  it('carries our identity as tags, exactly one key name, and the others’ keys in cloud-init', async () => {
    const { sent } = await create({}, { publicKeys: [PUBLIC_KEY, OTHER_KEY, PUBLIC_KEY] });
    const body = sent.at(-1)?.body as { tags: unknown[]; user_data: string; ssh_key_names: string[] };
    expect(body).toMatchObject({
      region_name: 'us-west-1',
      instance_type_name: 'gpu_1x_a10',
      ssh_key_names: [KEY_NAME],
    });
    expect(body.tags).toEqual(expect.arrayContaining(ours.slice(0, 3).map((tag) => expect.objectContaining(tag))));
    expect(sent[1]?.body).toEqual({ name: KEY_NAME, public_key: PUBLIC_KEY });
    expect(body.user_data).toContain(OTHER_KEY.split(' ')[1]);
    expect(body.user_data).not.toContain(PUBLIC_KEY.split(' ')[1]);
  });

  it('always brings a firewall on the machine: the account’s own is everybody’s', async () => {
    const firewallRules = {
      ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: ['203.0.113.0/24'] }],
      egressRules: [],
    };
    const { sent } = await create({ [ACCOUNT_RULES]: data([ALL_OPEN]) }, { firewallRules });
    const userData = (sent.at(-1)?.body as { user_data: string } | undefined)?.user_data;
    expect(userData).toMatch(/^#cloud-config\n/);
    expect(userData).toContain('ufw default deny incoming');
    expect(userData).toContain('ufw allow in from 203.0.113.0/24 to any port 443');
  });

  it.each([
    ['lambda-stack-24-04', { family: 'lambda-stack-24-04' }],
    ['43336648-096d-4cba-9aa2-f9bb7727639d', { id: '43336648-096d-4cba-9aa2-f9bb7727639d' }],
    ['ddaedf1b7a0e41ac981711504493b242', { id: 'ddaedf1b7a0e41ac981711504493b242' }],
  ])('takes %s for what it is, an id or a family', async (imageId, image) => {
    const { sent } = await create({}, { imageId });
    expect(sent.at(-1)?.body).toMatchObject({ image });
  });

  it('keeps long names and tag keys that Lambda would refuse, and gives them back', async () => {
    const name = `${'n'.repeat(70)}😀${'m'.repeat(180)}`;
    const tags = { team: 'a', Cost_Center: 'x=1', z: '' };
    const { sent } = await create({}, { name, tags });
    const body = sent.at(-1)?.body as { name: string; tags: { key: string; value: string }[] };
    expect(body.name.length).toBeLessThanOrEqual(64);
    expect(body.tags.filter(({ key, value }) => !/^[a-z][a-z0-9-:]{1,54}$/.test(key) || value.length > 128)).toEqual(
      [],
    );
    expect(await seen({ name: body.name, tags: body.tags.toReversed() })).toMatchObject({ name, tags });
  });

  it.each([
    ['a disk size', { diskSize: { value: 1, unit: 'TiB' as const } }, 'NotSupported', /disk/],
    ['a tag that does not fit', { tags: { Team: 'x'.repeat(128) } }, 'InvalidRequest', /tags\.Team/],
    ['binary user data', { userDataBase64: 'H4sIAAAAAAAAA/8=' }, 'InvalidRequest', /userDataBase64/],
    ['no public key', { publicKeys: [] }, 'InvalidRequest', /publicKeys/],
    [
      'a rule that is none',
      { firewallRules: { ingressRules: [{ fromPort: 9, toPort: 8, ipRanges: [] }], egressRules: [] } },
      'InvalidRequest',
      /ingressRules\[0\]\.toPort/,
    ],
  ])('is refused with %s, by name and before anything is sent', async (_what, change, kind, message) => {
    const { outcome, sent } = await create({}, change);
    expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind, message: expect.stringMatching(message) } });
    expect(sent).toEqual([]);
  });
});

describe('the account’s firewall', () => {
  const tcp = (from: number, to: number, source = '0.0.0.0/0') => ({
    ...ALL_OPEN,
    protocol: 'tcp',
    port_range: [from, to],
    source_network: source,
  });
  const wanted = (fromPort: number, toPort: number, ...ipRanges: string[]) => ({
    firewallRules: { ingressRules: [{ fromPort, toPort, ipRanges }], egressRules: [] },
  });

  it.each([
    ['everything', [ALL_OPEN], wanted(443, 443)],
    ['a rule without ports', [{ ...ALL_OPEN, port_range: null }], wanted(443, 443)],
    ['ranges that touch', [tcp(8_000, 8_010), tcp(8_011, 8_020)], wanted(8_005, 8_015)],
    ['the network around it', [tcp(443, 443, '203.0.113.0/24')], wanted(443, 443, '203.0.113.7/32')],
    ['the bare address', [tcp(443, 443, '203.0.113.7')], wanted(443, 443, '203.0.113.7/32')],
    ['no IPv6, which it never sees', [], wanted(443, 443, '2001:db8::/32')],
    ['nothing, in the region that it does not reach', [], { ...wanted(443, 443), location: 'us-south-1' }],
  ])('is no obstacle where it lets in %s', async (_what, rules, change) => {
    const { outcome, calls } = await create({ [ACCOUNT_RULES]: data(rules) }, change);
    expect(outcome.outcome).toBe('exists');
    expect(calls()).toEqual([LIST, ACCOUNT_RULES, ADD_KEY, LAUNCH]);
  });

  it.each([
    ['nothing but SSH', [tcp(22, 22), { ...ALL_OPEN, protocol: 'icmp', port_range: undefined }], wanted(443, 443)],
    ['UDP alone', [{ ...ALL_OPEN, protocol: 'udp' }], wanted(443, 443)],
    ['a part of the range', [tcp(8_000, 8_010), tcp(8_012, 8_020)], wanted(8_005, 8_015)],
    ['some, where all are to come', [tcp(443, 443, '203.0.113.0/24')], wanted(443, 443)],
    ['another network', [tcp(443, 443, '203.0.112.0/24')], wanted(443, 443, '203.0.113.7/32')],
    ['what nobody can read', [tcp(443, 443, '999.0.0.0/0')], wanted(443, 443)],
  ])('refuses a create by name, before anything is bought, where it lets in %s', async (_what, rules, change) => {
    const { outcome, calls } = await create({ [ACCOUNT_RULES]: data(rules) }, change);
    expect(outcome).toMatchObject({
      outcome: 'refused',
      failure: { kind: 'InvalidRequest', message: expect.stringMatching(/firewallRules.*ports \d+-\d+ from/) },
    });
    expect(calls()).toEqual([LIST, ACCOUNT_RULES]);
  });
});

describe('an SSH key', () => {
  const taken = (publicKey: string): Record<string, Canned | Canned[]> => ({
    [ADD_KEY]: [refusal(400, 'global/duplicate'), data({ id: 'k-2', name: 'another', public_key: PUBLIC_KEY })],
    [KEYS]: data([{ id: 'k-1', name: KEY_NAME, public_key: publicKey, workspace_id: 'w' }]),
  });

  it.each([400, 409, 422])('whose name is taken by itself is used, whatever %i says', async (status) => {
    const { outcome, sent, calls } = await create({
      ...taken(`${PUBLIC_KEY.split(' ').slice(0, 2).join(' ')} other-comment`),
      [ADD_KEY]: refusal(status, 'global/invalid-parameters', 'name already in use'),
    });
    expect(calls()).toEqual([LIST, ADD_KEY, KEYS, LAUNCH]);
    expect(outcome.outcome).toBe('exists');
    expect(sent.at(-1)?.body).toMatchObject({ ssh_key_names: [KEY_NAME] });
  });

  it('whose name another key has taken gets another name', async () => {
    const { outcome, sent, calls } = await create(taken(OTHER_KEY));
    expect(calls()).toEqual([LIST, ADD_KEY, KEYS, ADD_KEY, LAUNCH]);
    expect(sent[3]?.body).toEqual({ name: keyNameOf(ATTRS, PUBLIC_KEY), public_key: PUBLIC_KEY });
    expect(outcome.outcome).toBe('exists');
  });

  it('that is refused for another reason refuses the create, and nothing is launched', async () => {
    const { outcome, calls } = await create({ [ADD_KEY]: refusal(400, 'global/invalid-parameters'), [KEYS]: data([]) });
    expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind: 'InvalidRequest' } });
    expect(calls()).toEqual([LIST, ADD_KEY, KEYS]);
  });

  it('goes with a create that was refused', async () => {
    const { calls } = await create({ [LAUNCH]: refusal(400, 'global/quota-exceeded') });
    expect(calls()).toEqual([LIST, ADD_KEY, LAUNCH, DELETE_KEY]);
  });

  it('stays while nobody knows whether the machine exists', async () => {
    const { outcome, calls } = await create({ [LAUNCH]: json(502, HTML) });
    expect(outcome.outcome).toBe('unknown');
    expect(calls()).not.toContain(DELETE_KEY);
  });

  it('of an earlier try of the same create stays for now: its machine may not be listed yet', async () => {
    const { calls } = await create({ ...taken(PUBLIC_KEY), [LAUNCH]: refusal(400, 'global/quota-exceeded') });
    expect(calls()).not.toContain(DELETE_KEY);
  });

  it('does not make a refusal out of a refusal when it cannot be removed', async () => {
    const { outcome } = await create({
      [LAUNCH]: refusal(400, 'global/quota-exceeded'),
      [DELETE_KEY]: json(503, HTML),
    });
    expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind: 'OutOfQuota' } });
  });
});

describe('the catalog', () => {
  const GPU: [string, object, unknown][] = [
    [
      'gpu_8x_a100_80gb_sxm4',
      { description: '8x A100 (80 GB SXM4)', gpu_description: 'A100 (80 GB SXM4)', gpus: 8 },
      [{ name: 'A100', count: 8, memoryPerGpu: { value: 80, unit: 'GB' } }],
    ],
    [
      'gpu_8x_v100',
      { description: '8x Tesla V100 (16 GB)', gpu_description: 'Tesla V100 (16 GB)', gpus: 8 },
      [{ name: 'V100', count: 8, memoryPerGpu: { value: 16, unit: 'GB' } }],
    ],
    [
      'gpu_1x_gh200',
      { description: '1x GH200 (96 GB)', gpu_description: 'GH200 (96 GB)', gpus: 1 },
      [{ name: 'GH200', count: 1, memoryPerGpu: { value: 96, unit: 'GB' } }],
    ],
    [
      'gpu_1x_rtx6000',
      { description: '1x Quadro RTX 6000 (24 GB)', gpus: 1 },
      [{ name: 'Quadro RTX 6000', count: 1, memoryPerGpu: { value: 24, unit: 'GB' } }],
    ],
    [
      'gpu_1x_a6000',
      { description: '1x A6000 (48 GB)', gpu_description: 'A6000 (48 GB)', gpus: 1 },
      [{ name: 'RTX A6000', count: 1, memoryPerGpu: { value: 48, unit: 'GB' } }],
    ],
    ['cpu_4x_general', { description: '4x CPU General', gpu_description: 'N/A', gpus: 0 }, []],
    ['odd', { description: 'GPU of tomorrow', gpu_description: 'X1', gpus: 2 }, [{ name: 'X1', count: 2 }]],
  ];

  it.each(GPU)('reads the GPUs of %s', async (name, { gpus, ...words }: { gpus?: number }, expected) => {
    const type = {
      name,
      price_cents_per_hour: 1_592,
      specs: { vcpus: 1, memory_gib: 1, storage_gib: 1, gpus },
      ...words,
    };
    const { provider } = scripted(CREDENTIAL, {
      'GET /regions': data([{ name: 'us-west-1', description: '' }]),
      'GET /instance-types': data({ [name]: { instance_type: type, regions_with_capacity_available: [] } }),
    });
    const [listed] = await provider.listInstanceTypes(calm);
    expect(listed).toMatchObject({
      id: `us-west-1-noSub-${name}`,
      gpus: expected,
      pricePerHour: { amount: '15.92', currency: 'USD' },
      isAvailable: false,
      architecture: name === 'gpu_1x_gh200' ? 'arm64' : 'x86_64',
    });
  });

  it('sells each type in every region, available where there is capacity, also in a region just opened', async () => {
    const { instance_type: type } = instance();
    const { provider } = scripted(CREDENTIAL, {
      'GET /regions': data([{ name: 'us-west-1' }, { name: 'us-east-1' }]),
      'GET /instance-types': data({
        gpu_1x_a10: {
          instance_type: type,
          regions_with_capacity_available: [{ name: 'us-west-1' }, { name: 'new-1' }],
        },
      }),
    });
    const types = await provider.listInstanceTypes(calm);
    expect(types.map(({ location, isAvailable }) => [location, isAvailable])).toEqual([
      ['new-1', true],
      ['us-east-1', false],
      ['us-west-1', true],
    ]);
  });
});

describe('what is sent, in the tests above', () => {
  it.skipIf(!wire.isHere)('is as the vendor’s document says', () => {
    expect(wire.seen().length).toBeGreaterThan(5);
    expect(wire.faults()).toEqual([]);
  });
});
