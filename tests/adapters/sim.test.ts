import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { CredentialConfig } from '../../src/adapters/credential.js';
import { HttpClient } from '../../src/adapters/http.js';
import type { HttpFailure } from '../../src/adapters/http-failure.js';
import { SimClient } from '../../src/adapters/sim/client.js';
import { KIND_BY_CODE } from '../../src/adapters/sim/errors.js';
import { toCreateBody } from '../../src/adapters/sim/mapping.js';
import type { ErrorKind, ProviderError } from '../../src/domain/errors.js';
import type { CreateInstanceAttrs, Provider } from '../../src/domain/provider.js';
import { REFUSALS } from '../../src/simcloud/index.js';
import { API_KEY, attrsFor, calm, cloudWith, openProvider } from './clouds.js';

/* What is simcloud's own: its table of codes, its odd answers, its client tokens. The rest is in the contract suite. */

const CREDENTIAL: CredentialConfig = {
  cloudCredRefId: 'sim-main',
  provider: 'sim',
  apiUrl: 'http://sim.test/sim/v1',
  apiKey: API_KEY,
};
const PLACE = { location: 'us-west-1', instanceType: 'gpu_1x_a10' };
const ATTRS: CreateInstanceAttrs = attrsFor('ref-1', { ...PLACE, cloudCredRefId: 'sim-main' });

interface Canned {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

const json = (status: number, body: unknown, headers?: Record<string, string>): Canned => ({ status, body, headers });
const refusal = (status: number, code: string, field?: string): Canned =>
  json(status, { error: { code, message: 'in their words', field } }, { 'x-request-id': 'req-1' });
const NO_INSTANCES = json(200, { instances: [] });

interface Sent {
  method: string;
  path: string;
  body: unknown;
}

/** A provider whose cloud says exactly this, call after call; the last answer is repeated. */
function answering(...answers: Canned[]): { provider: Provider; sent: Sent[] } {
  return answeringAt(CREDENTIAL, ...answers);
}

function answeringAt(credential: CredentialConfig, ...answers: Canned[]): { provider: Provider; sent: Sent[] } {
  const sent: Sent[] = [];
  const canned: typeof fetch = async (url, init) => {
    const { pathname, search } = new URL(String(url));
    const text = typeof init?.body === 'string' ? init.body : undefined;
    sent.push({ method: init?.method ?? '', path: pathname + search, body: text && JSON.parse(text) });
    const answer = answers[Math.min(sent.length, answers.length) - 1];
    if (!answer) throw new Error('no answer was given');
    const body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
    return new Response(answer.status === 204 ? null : body, { status: answer.status, headers: answer.headers });
  };
  return { provider: openProvider(credential, canned), sent };
}

const HTML = '<html><body>502 Bad Gateway</body></html>';

/** Status, code, the kind of a read, how a create goes. */
const ROWS: [number, string, ErrorKind, 'refused' | 'unknown'][] = [
  [401, 'auth.invalid_key', 'Unauthenticated', 'refused'],
  [403, 'auth.forbidden', 'PermissionDenied', 'refused'],
  [403, 'quota.exceeded', 'OutOfQuota', 'refused'],
  [409, 'capacity.out_of_stock', 'InsufficientResources', 'refused'],
  [404, 'instance.not_found', 'InstanceNotFound', 'refused'],
  [404, 'resource.not_found', 'ResourceNotFound', 'refused'],
  [400, 'image.not_found', 'ImageNotFound', 'refused'],
  [422, 'request.invalid', 'InvalidRequest', 'refused'],
  [429, 'rate.limited', 'RateLimited', 'refused'],
  [500, 'internal', 'Internal', 'unknown'],
  [503, 'unavailable', 'ServiceUnavailable', 'unknown'],
  [409, 'instance.wrong_state', 'InvalidRequest', 'refused'],
  [409, 'instance.busy', 'NotYet', 'refused'],
  [409, 'firewall.duplicate_rule', 'DuplicateFirewallRule', 'unknown'],
];

/** Without a code of theirs, JSON or not. */
const BARE_ROWS: [number, unknown, ErrorKind, 'refused' | 'unknown'][] = [
  [301, '', 'InvalidRequest', 'unknown'],
  [400, {}, 'InvalidRequest', 'refused'],
  [400, HTML, 'InvalidRequest', 'unknown'],
  [402, { message: 'pay first' }, 'OutOfQuota', 'refused'],
  [403, HTML, 'PermissionDenied', 'unknown'],
  [404, { message: 'Route not found' }, 'ServiceUnavailable', 'refused'],
  [404, HTML, 'ServiceUnavailable', 'unknown'],
  [405, {}, 'InvalidRequest', 'refused'],
  [408, {}, 'ServiceUnavailable', 'unknown'],
  [409, {}, 'InvalidRequest', 'unknown'],
  [418, { error: { code: 'not.in.the.table' } }, 'InvalidRequest', 'refused'],
  [429, HTML, 'RateLimited', 'refused'],
  [500, HTML, 'Internal', 'unknown'],
  [502, HTML, 'ServiceUnavailable', 'unknown'],
  [504, '', 'ServiceUnavailable', 'unknown'],
  [520, HTML, 'Internal', 'unknown'],
];

describe('the error table', () => {
  it('has a row for every code that simcloud knows, and this test has one for each', () => {
    expect(Object.keys(KIND_BY_CODE).sort()).toEqual(Object.keys(REFUSALS).sort());
    expect(ROWS.map(([status, code]) => [code, status]).sort()).toEqual(Object.entries(REFUSALS).sort());
  });

  it.each(ROWS)('reads %i %s as %s; a create is %s', async (status, code, kind, outcome) => {
    const { provider } = answering(refusal(status, code));
    const thrown = await provider.listInstances(calm).catch((error: ProviderError) => error);
    expect(thrown).toMatchObject({
      kind,
      fact: { kind, providerCode: code, httpStatus: status, requestId: 'req-1', operation: 'listInstances' },
    });
    const creating = answering(NO_INSTANCES, refusal(status, code));
    expect(await creating.provider.createInstance(ATTRS, calm)).toMatchObject({ outcome, failure: { kind } });
  });

  it.each(BARE_ROWS)('reads %i with %o as %s; a create is %s', async (status, body, kind, outcome) => {
    const { provider } = answering(json(status, body));
    await expect(provider.listInstances(calm)).rejects.toMatchObject({ kind });
    const creating = answering(NO_INSTANCES, json(status, body));
    expect(await creating.provider.createInstance(ATTRS, calm)).toMatchObject({ outcome, failure: { kind } });
  });

  it('names the field that the provider refused', async () => {
    const { provider } = answering(NO_INSTANCES, refusal(422, 'request.invalid', 'publicKeys.0'));
    const outcome = await provider.createInstance(ATTRS, calm);
    expect(outcome).toMatchObject({ failure: { message: expect.stringContaining('publicKeys.0') } });
  });

  it('quotes neither texts nor odd codes of the provider in what is kept', async () => {
    const odd = { error: { code: `it's <b>bad</b> ${'x'.repeat(300)}`, message: `key ${API_KEY}`, field: 'a b' } };
    const { provider } = answering(json(422, odd));
    const thrown = await provider.listInstances(calm).catch((error: ProviderError) => error);
    expect(thrown).toMatchObject({ kind: 'InvalidRequest' });
    expect(JSON.stringify(thrown)).not.toContain('bad');
    expect(inspect(thrown, { depth: 9 })).not.toMatch(/<b>|planted/);
  });

  it('never takes a 404 without a code for the end of a machine', async () => {
    const { provider } = answering(json(404, { message: 'Route not found' }));
    await expect(provider.terminateInstance('i-1', 'us-west-1', calm)).rejects.toMatchObject({
      kind: 'ServiceUnavailable',
    });
  });
});

describe('a type that cannot stop', () => {
  it('is NotSupported, and its machines do not say that they can', async () => {
    const cloud = await cloudWith();
    const provider = openProvider({ ...CREDENTIAL, apiUrl: `${cloud.url}/sim/v1` });
    const created = await provider.createInstance({ ...ATTRS, instanceType: 'gpu_8x_h100_sxm5' }, calm);
    if (created.outcome !== 'exists') throw new Error(`not created: ${JSON.stringify(created)}`);
    const { cloudId, location, capabilities } = created.instance;
    expect(capabilities).not.toContain('stop-start-instance');
    await expect(provider.stopInstance(cloudId, location, calm)).rejects.toMatchObject({ kind: 'NotSupported' });
  });
});

describe('odd answers', () => {
  it.each([
    ['half a JSON', '{"instance": {"id": "i-1"'],
    ['no instance', {}],
    ['an instance without an id', { instance: { name: 'x' } }],
    ['a web page', HTML],
  ])('to a create with %s are unknown', async (_what, body) => {
    const { provider } = answering(NO_INSTANCES, json(201, body));
    const outcome = await provider.createInstance(ATTRS, calm);
    expect(outcome).toMatchObject({ outcome: 'unknown', failure: { kind: 'Internal' } });
  });

  it('to a create with nothing but an id are filled in with what was asked for', async () => {
    const { provider, sent } = answering(NO_INSTANCES, json(201, { instance: { id: 'i-1' } }));
    const outcome = await provider.createInstance(ATTRS, calm);
    const { refId, attemptKey, location, instanceType } = ATTRS;
    const instance = { cloudId: 'i-1', refId, attemptKey, location, instanceType, status: 'pending', sshPort: 22 };
    expect(outcome).toMatchObject({ outcome: 'exists', adopted: false, instance });
    expect(sent).toHaveLength(2);
  });

  it('with a status word that nobody knows are pending, and quote it', async () => {
    const instance = { id: 'i-1', status: 'hibernating', statusMessage: 'zzz' };
    const { provider } = answering(json(200, { instance }));
    const seen = await provider.getInstance('i-1', 'us-west-1', calm);
    expect(seen).toMatchObject({ status: 'pending', statusMessage: expect.stringMatching(/hibernating.*zzz/) });
  });

  it('with one broken instance hide neither it nor the rest', async () => {
    const tags = { refId: 'ref-1', cloudCredRefId: 'sim-main' };
    const broken = { id: 7, status: null, sshPort: 'ssh', createdAt: 'yesterday', pricePerHour: 'free', tags };
    const whole = { id: 'i-8', status: 'running', sshPort: '2222', tags, news: 'a field we do not know' };
    const { provider } = answering(json(200, { instances: [broken, whole], nextPageToken: '' }));
    expect(await provider.listInstances(calm)).toMatchObject([
      { cloudId: '7', status: 'pending', sshPort: 22 },
      { cloudId: 'i-8', status: 'running', sshPort: 2222 },
    ]);
  });

  it.each([
    ['without a list', {}],
    ['with an instance that has no id', { instances: [{ status: 'running' }] }],
  ])('to a listing %s are an error, never a shorter list', async (_what, body) => {
    const { provider } = answering(json(200, body));
    await expect(provider.listInstances(calm)).rejects.toMatchObject({ kind: 'Internal' });
  });

  it('that lead in a circle end in an error', async () => {
    const page = (id: string, nextPageToken: string): Canned => json(200, { instances: [{ id }], nextPageToken });
    const { provider, sent } = answering(page('i-1', 'b'), page('i-2', 'c'), page('i-3', 'b'));
    await expect(provider.listInstances(calm)).rejects.toMatchObject({ kind: 'Internal' });
    expect(sent).toHaveLength(3);
  });

  it('with firewall rules that cannot be read change nothing', async () => {
    const { provider, sent } = answering(
      json(200, { instance: { id: 'i-1', firewallRules: { ingressRules: 'all' } } }),
    );
    const rules = { ingressRules: [], egressRules: [] };
    await expect(provider.setFirewallRules('i-1', 'us-west-1', rules, calm)).rejects.toMatchObject({
      kind: 'Internal',
    });
    expect(sent).toHaveLength(1);
  });
});

describe('a create whose connection fails', () => {
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', syscall: 'connect' });
  const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET', syscall: 'read' });

  it.each([
    ['refused', 'before it was sent', refused],
    ['unknown', 'perhaps after it was sent', reset],
  ])('is %s %s', async (outcome, _when, cause) => {
    const lookUpOnly: typeof fetch = async (_url, init) => {
      if (init?.method === 'POST') throw Object.assign(new TypeError('fetch failed'), { cause });
      return new Response('{"instances":[]}');
    };
    const created = await openProvider(CREDENTIAL, lookUpOnly).createInstance(ATTRS, calm);
    expect(created).toMatchObject({ outcome, failure: { kind: 'ServiceUnavailable' } });
  });

  it('keeps user data that was echoed out of what a debugger sees', async () => {
    const script = '#!/bin/sh\nexport PASSWORD=planted-in-the-script';
    const userDataBase64 = Buffer.from(script).toString('base64');
    const echo: typeof fetch = async () => new Response(`cannot run ${script} (${userDataBase64})`, { status: 500 });
    const http = new HttpClient({ baseUrl: 'http://sim.test', authorise: () => ({}), limits: {}, fetch: echo });
    const body = toCreateBody({ ...ATTRS, userDataBase64 }, false);
    const failure = await new SimClient(http).createInstance(body, calm).catch((error: HttpFailure) => error);
    expect(failure).toMatchObject({ excerpt: 'cannot run [redacted] ([redacted])' });
  });
});

describe('what is sent', () => {
  it('goes below the address, with or without a slash at its end', async () => {
    const { provider, sent } = answeringAt({ ...CREDENTIAL, apiUrl: 'http://sim.test/sim/v1/' }, NO_INSTANCES);
    await provider.listInstances(calm);
    expect(sent.map(({ path }) => path)).toEqual(['/sim/v1/instances?tag=cloudCredRefId%3Dsim-main']);
  });

  it('cannot lead to another path than the machine’s', async () => {
    const { provider, sent } = answering(json(202, {}));
    for (const cloudId of ['', '.', '..']) {
      await expect(provider.terminateInstance(cloudId, 'us-west-1', calm)).rejects.toMatchObject({
        kind: 'InvalidRequest',
      });
    }
    await provider.terminateInstance('../instances/i-2?x=1#y', 'us-west-1', calm);
    expect(sent.map(({ path }) => path)).toEqual(['/sim/v1/instances/..%2Finstances%2Fi-2%3Fx%3D1%23y']);
  });

  it('carries our identity over the caller’s tags, and each public key once', async () => {
    const { provider, sent } = answering(NO_INSTANCES, json(201, { instance: { id: 'i-1' } }));
    const [key] = ATTRS.publicKeys;
    if (!key) throw new Error('there is a key');
    await provider.createInstance({ ...ATTRS, publicKeys: [key, key], tags: { team: 'a', refId: 'stolen' } }, calm);
    expect(sent.at(-1)?.body).toMatchObject({
      publicKeys: [key],
      tags: { team: 'a', refId: 'ref-1', cloudCredRefId: 'sim-main', 'slipway-attempt': 'ref-1-1' },
    });
    expect(sent.at(-1)?.body).not.toHaveProperty('clientToken');
  });

  it.each([
    ['an image', { imageId: 'ubuntu' }, 'machine-image'],
    ['user data', { userDataBase64: 'IyEvYmluL3No' }, 'instance-userdata'],
    [
      'firewall rules',
      { firewallRules: { ingressRules: [{ fromPort: 1, toPort: 2, ipRanges: [] }], egressRules: [] } },
      'modify-firewall',
    ],
  ])('never drops %s that the account cannot honour: the create is refused', async (_what, change, lacking) => {
    const fetchInstead: typeof fetch = () => Promise.reject(new Error('nothing is to be sent'));
    const provider = openProvider({ ...CREDENTIAL, without: [lacking] }, fetchInstead);
    const outcome = await provider.createInstance({ ...ATTRS, ...change }, calm);
    expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind: 'NotSupported' } });
  });

  it.each([
    [
      { value: 200, unit: 'GiB' },
      { value: 200, unit: 'GiB' },
    ],
    [
      { value: 2, unit: 'PiB' },
      { value: 2_147_483_648, unit: 'MiB' },
    ],
    [
      { value: 5_242_880, unit: 'B' },
      { value: 5, unit: 'MiB' },
    ],
  ] as const)('says a disk of %o as %o', async (size, expected) => {
    const { provider, sent } = answering(json(200, { instance: { id: 'i-1' } }));
    await provider.resizeVolume('i-1', 'us-west-1', size, calm);
    expect(sent[0]?.body).toEqual({ diskSize: expected });
  });
});

describe('client tokens', () => {
  it('bring back the machine of a lost answer that no listing shows yet', async () => {
    const cloud = await cloudWith({
      accounts: [{ apiKey: API_KEY, name: 'default', idempotentCreate: true }],
      timing: { listingLagMs: 3_600_000 },
    });
    const provider = openProvider({ ...CREDENTIAL, apiUrl: `${cloud.url}/sim/v1`, idempotentCreate: true });
    expect(provider.capabilities).toContain('create-instance-idempotent');
    await cloud.control.addFault({ operation: 'create', kind: 'drop-answer-after-work' });
    expect((await provider.createInstance(ATTRS, calm)).outcome).toBe('unknown');
    expect((await provider.createInstance(ATTRS, calm)).outcome).toBe('exists');
    expect(await cloud.control.report()).toMatchObject({ created: 1, doubled: 0 });
  });
});
