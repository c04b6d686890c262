import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Client, Connection, WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { SlipwayClient } from '../../src/client/client.js';
import { instanceWorkflowId } from '../../src/domain/ids.js';
import type { InstanceRequestInput } from '../../src/domain/instance/index.js';
import { INVALID_REQUESTS } from '../domain/invalid-requests.js';
import { begin, endAndProve, lifeOf, proveGone } from '../support/lives.js';
import { credentialNamed, offerAt, openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';

const run = promisify(execFile);

let slipway: TestSlipway;
beforeAll(async () => {
  slipway = await openSlipway({ others: { second: {} }, watchTiming: { settledIntervalMs: 300 } });
});
afterAll(async () => await slipway?.close());

const created = async () => (await slipway.cloud.control.report()).created;

describe.concurrent('provision', () => {
  it('of the same request again is the same instance, whatever the order of its tags and rules', async () => {
    const rules = [443, 80].map((port) => ({ fromPort: port, toPort: port, ipRanges: ['127.0.0.0/8'] }));
    const request = requestFor(slipway, { tags: { a: '1', b: '2' }, firewallRules: { ingressRules: rules } });
    const life = lifeOf(slipway, request);
    expect(await slipway.client.provision(request)).toMatchObject({ started: true });
    const same = {
      ...request,
      tags: { b: '2', a: '1' },
      firewallRules: { ingressRules: [...rules].reverse(), egressRules: [] },
      policy: {},
    };
    expect(await slipway.client.provision(same)).toMatchObject({ started: false });
    await life.until('ready');
    expect(await slipway.client.provision(request)).toMatchObject({ started: false });
    expect(await life.machines()).toHaveLength(1);
    await endAndProve(slipway, life);
    expect(await slipway.client.provision(request), 'an instance that is over stays over').toMatchObject({
      started: false,
    });
    expect(await life.live()).toEqual([]);
  });

  it('of another request under the same refId is refused, and changes nothing', async () => {
    const life = await begin(slipway, { userDataBase64: 'IyEvYmluL3NoCg==' });
    const changes: Partial<InstanceRequestInput>[] = [
      { name: 'another' },
      { offers: [offerAt(slipway, 'us-east-1')] },
      { userDataBase64: 'IyEvYmluL2JhCg==' },
      { policy: { maxOffers: 3 } },
    ];
    for (const change of changes) {
      const another = slipway.client.provision({ ...life.request, ...change });
      await expect(another, JSON.stringify(change)).rejects.toMatchObject({ kind: 'RefIdConflict' });
    }
    await life.until('ready');
    expect(await life.machines()).toHaveLength(1);
    await endAndProve(slipway, life);
  });

  it('by many at once is one instance and one machine', async () => {
    const life = lifeOf(slipway, requestFor(slipway));
    const answers = await Promise.all(Array.from({ length: 8 }, () => slipway.client.provision(life.request)));
    expect(answers.filter(({ started }) => started)).toHaveLength(1);
    await life.until('ready');
    expect(await life.machines()).toHaveLength(1);
    await endAndProve(slipway, life);
  });

  it('by the plain Temporal CLI is the same, and so is a stop', async () => {
    const cli = inject('temporalCli');
    const address = inject('temporalAddress');
    const life = lifeOf(slipway, requestFor(slipway));
    const workflowId = instanceWorkflowId(life.refId);
    const temporal = async (...args: string[]) => (await run(cli, [...args, '--address', address])).stdout;

    const start = ['--type', 'instance', '--task-queue', slipway.taskQueue, '--workflow-id', workflowId];
    await temporal('workflow', 'start', ...start, '--input', JSON.stringify(life.request));
    const ready = await life.until('ready');
    expect(await life.machines()).toHaveLength(1);
    expect(await slipway.client.provision(life.request), 'our own client finds it').toMatchObject({ started: false });

    const query = ['--workflow-id', workflowId, '--type', 'describe', '--output', 'json'];
    const described = JSON.parse(await temporal('workflow', 'query', ...query));
    expect(JSON.stringify(described)).toContain(ready.cloudId);

    await temporal('workflow', 'update', 'execute', '--workflow-id', workflowId, '--name', 'stop');
    await life.until('stopped');
    const input = ['--input', JSON.stringify({ requestId: 'cli-1', actor: 'ann' })];
    await temporal('workflow', 'update', 'execute', '--workflow-id', workflowId, '--name', 'terminate', ...input);
    expect((await proveGone(life)).lastCommand).toMatchObject({ actor: 'ann' });
  });
});

describe('a request that is invalid', () => {
  it('is refused with the field that is wrong, by the client and by the workflow itself, and creates nothing', async () => {
    const before = await created();
    const { client, temporal, taskQueue } = slipway;
    const refused = INVALID_REQUESTS.map(async ({ what, request, path }, index) => {
      const byClient = await client.provision(request as InstanceRequestInput).catch((error: unknown) => error);
      expect(byClient, what).toMatchObject({ kind: 'InvalidRequest' });
      const issuesOf = (issues: { path: string }[] | undefined) => issues?.map((issue) => issue.path);
      const { details } = byClient as { details: { issues?: { path: string }[] } };
      expect(issuesOf(details.issues), what).toContain(path);

      const workflowId = `instance/invalid-${index}-${taskQueue}`;
      const options = { taskQueue, workflowId, args: [request] };
      const raw = await temporal.workflow.execute('instance', options).catch((error: unknown) => error);
      expect(raw, what).toBeInstanceOf(WorkflowFailedError);
      const { cause } = raw as { cause: { type: string; details: [{ issues: { path: string }[] }] } };
      expect(cause.type, what).toBe('InvalidRequest');
      expect(issuesOf(cause.details[0].issues), what).toContain(path);
    });
    await Promise.all(refused);
    expect(INVALID_REQUESTS.length).toBeGreaterThanOrEqual(40);
    expect(await created()).toBe(before);
  });

  it('names everything that is wrong at once', async () => {
    const bad = { ...requestFor(slipway), name: '', offers: [], tags: { 'slipway-x': 1 } } as never;
    await expect(slipway.client.provision(bad)).rejects.toMatchObject({
      details: { issues: ['name', 'offers', 'tags.slipway-x'].map((path) => expect.objectContaining({ path })) },
    });
  });

  it('does not burn its refId: the request may be sent again once it is right', async () => {
    const life = lifeOf(slipway, requestFor(slipway));
    const { taskQueue, temporal, client } = slipway;
    const bad = { ...life.request, offers: [] };
    const workflowId = instanceWorkflowId(life.refId);
    await expect(temporal.workflow.execute('instance', { taskQueue, workflowId, args: [bad] })).rejects.toThrow();
    expect(await client.provision(life.request)).toMatchObject({ started: true });
    await life.until('ready');
    await endAndProve(slipway, life);
  });

  it('is one whose refId does not fit the workflow id it was started as', async () => {
    const { taskQueue, temporal } = slipway;
    const workflowId = `instance/other-${taskQueue}`;
    const started = temporal.workflow.execute('instance', { taskQueue, workflowId, args: [requestFor(slipway)] });
    await expect(started).rejects.toMatchObject({ cause: { type: 'InvalidRequest' } });
  });
});

describe('what the client answers when there is nothing to answer', () => {
  it('says NotFound for a refId that nobody has, and InvalidRequest for one that nobody can have', async () => {
    const { client } = slipway;
    const calls = (refId: string) => [
      () => client.describe(refId),
      () => client.events(refId),
      () => client.stop(refId),
      () => client.terminate(refId),
      () => client.waitFor(refId, 'ready'),
    ];
    for (const call of calls('nobody-has-this')) await expect(call()).rejects.toMatchObject({ kind: 'NotFound' });
    for (const call of calls('no/such id')) await expect(call()).rejects.toMatchObject({ kind: 'InvalidRequest' });
  });

  it('says Unreachable in time when no worker polls, and when Temporal itself is not there', async () => {
    const { temporal } = slipway;
    const alone = new SlipwayClient({ client: temporal, taskQueue: 'nobody-polls-this', timeoutMs: 1_000 });
    const request = requestFor(slipway);
    expect(await alone.provision(request), 'the request is durable all the same').toMatchObject({ started: true });
    await expect(alone.describe(request.refId)).rejects.toMatchObject({ kind: 'Unreachable' });
    await expect(alone.stop(request.refId)).rejects.toMatchObject({ kind: 'Unreachable' });
    await temporal.workflow.getHandle(instanceWorkflowId(request.refId)).terminate();

    const connection = Connection.lazy({ address: '127.0.0.1:1' });
    const lost = new SlipwayClient({ client: new Client({ connection }), timeoutMs: 500 });
    await expect(lost.describe(request.refId)).rejects.toMatchObject({ kind: 'Unreachable' });
    await expect(lost.provision(request)).rejects.toMatchObject({ kind: 'Unreachable' });
    await expect(lost.list()).rejects.toMatchObject({ kind: 'Unreachable' });
    await connection.close();
  });
});

describe.concurrent('waitFor', () => {
  it('tells at once when the instance cannot get there by itself, with where it stands', async () => {
    const life = await begin(slipway, {}, { operation: 'create', kind: 'quota', times: 'always' });
    const waiting = slipway.client.waitFor(life.refId, 'ready');
    await expect(waiting).rejects.toMatchObject({ kind: 'Stuck', details: { view: { phase: 'parked' } } });
    expect(await slipway.client.waitFor(life.refId, ['ready', 'parked'])).toMatchObject({ phase: 'parked' });
    await endAndProve(slipway, life);
    await expect(slipway.client.waitFor(life.refId, 'ready')).rejects.toMatchObject({
      kind: 'Stuck',
      details: { view: { phase: 'terminated' } },
    });
  });

  it('gives up after its time, with where it stands, and stops for a signal', async () => {
    const life = await begin(slipway, {}, { operation: 'create', kind: 'never-boots' });
    await life.until('pending');
    await expect(slipway.client.waitFor(life.refId, 'ready', { timeoutMs: 300 })).rejects.toMatchObject({
      kind: 'WaitTimeout',
      details: { view: { phase: 'pending' } },
    });
    const abort = new AbortController();
    const waiting = slipway.client.waitFor(life.refId, 'ready', { signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    await endAndProve(slipway, life);
  });

  it('follows an instance event by event, to its end, and from where one stopped', async () => {
    const life = await begin(slipway);
    const followed: string[] = [];
    const following = (async () => {
      for await (const { type } of slipway.client.watch(life.refId)) followed.push(type);
    })();
    await life.until('ready');
    await endAndProve(slipway, life);
    await following;
    expect(followed).toEqual(await life.types());
    const rest: number[] = [];
    for await (const { seq } of slipway.client.watch(life.refId, { fromSeq: 4 })) rest.push(seq);
    expect(rest[0]).toBe(4);
  });
});

describe('list', () => {
  it('finds instances by phase, credential, place, type and error, the open ones unless all are asked for', async () => {
    const { client } = slipway;
    const cloudCredRefId = credentialNamed(slipway, 'second');
    const offer = { ...offerAt(slipway, 'eu-north-1', 'gpu_1x_h100_pcie'), cloudCredRefId };
    const [ready, parked] = await Promise.all([
      begin(slipway, { offers: [offer] }),
      begin(slipway, { offers: [offer] }, { operation: 'create', kind: 'quota' }),
    ]);
    await ready.until('ready');
    await parked.until('parked');
    const mine = { cloudCredRefId };
    const find = async (filter: Parameters<typeof client.list>[0]) =>
      (await client.list({ ...mine, ...filter })).map(({ refId }) => refId).sort();
    const both = [ready.refId, parked.refId].sort();
    await vi.waitFor(async () => expect(await find({ phase: ['ready', 'parked'] })).toEqual(both), { timeout: 10_000 });
    expect(await find({ phase: 'ready' })).toEqual([ready.refId]);
    expect(await find({ errorKind: 'OutOfQuota' })).toEqual([parked.refId]);
    expect(await find({ location: 'eu-north-1', instanceType: 'gpu_1x_h100_pcie' })).toEqual(both);
    expect(await find({ location: 'us-west-1' })).toEqual([]);
    expect(await find({ provider: 'sim', phase: 'ready' })).toEqual([ready.refId]);
    expect(await find({ cleanupDebt: true })).toEqual([]);
    expect(await client.list({ ...mine, limit: 1 })).toHaveLength(1);
    await endAndProve(slipway, ready);
    await vi.waitFor(async () => expect(await find({})).toEqual([parked.refId]), { timeout: 10_000 });
    expect(await find({ all: true })).toEqual(both);
    await endAndProve(slipway, parked);
    await expect(client.list({ location: "x' OR 'a'='a" })).rejects.toMatchObject({ kind: 'InvalidRequest' });
    await expect(client.list({ phase: 'flying' as never })).rejects.toMatchObject({ kind: 'InvalidRequest' });
  });
});
