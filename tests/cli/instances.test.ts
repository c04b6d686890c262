import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { InstanceEvent, InstanceRequestInput, InstanceView, ListedInstance } from '../../src/client/index.js';
import { openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';
import { collect, end, runCli, startCli, written } from './run-cli.js';

let slipway: TestSlipway;
let env: Record<string, string>;
beforeAll(async () => {
  slipway = await openSlipway({ simcloud: { timing: { bootMs: 100, sshDelayMs: 20 } } });
  env = { TEMPORAL_ADDRESS: inject('temporalAddress'), SLIPWAY_TASK_QUEUE: slipway.taskQueue };
});
afterAll(() => slipway.close());

const SECRET = 'planted-secret-4711';
const run = (...args: string[]) => runCli(args, { env });
const json = async <T>(...args: string[]): Promise<T> => {
  const { code, stdout, stderr } = await run(...args, '--json');
  if (code !== 0) throw new Error(`${args.join(' ')} exited with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
};
const provision = (request: InstanceRequestInput, ...args: string[]) =>
  runCli(['provision', '-f', '-', ...args], { env, input: JSON.stringify(request) });

/** Refused at once: there is no quota at its location. */
async function parkedRequest(): Promise<InstanceRequestInput> {
  await slipway.cloud.control.setQuota({ location: 'eu-north-1', maxInstances: 0 });
  const [offer] = requestFor(slipway).offers;
  if (!offer) throw new Error('a request has an offer');
  return requestFor(slipway, { offers: [{ ...offer, location: 'eu-north-1' }] });
}

describe('one instance, from request to end', () => {
  const userDataBase64 = Buffer.from(`#!/bin/sh\necho ${SECRET}\n`).toString('base64');
  let request: InstanceRequestInput;
  let printed = '';
  beforeAll(() => {
    request = requestFor(slipway, { refId: `cli-${randomUUID()}`, userDataBase64 });
  });

  it('provision --watch tells each phase in a line of its own, without colours, and ends with the way in', async () => {
    const { code, stdout, stderr } = await provision(request, '--watch');
    printed += stdout + stderr;
    expect(code).toBe(0);
    const phases = [...stdout.matchAll(/^ +[\d.]+s {2}(\w+)/gm)].map(([, phase]) => phase);
    expect(phases).toEqual(['placing', 'creating', 'pending', 'firewalling', 'connecting', 'ready']);
    expect(stdout).toMatch(/^Ready: ssh .*@127\./m);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape is what must not be there
    expect(stdout).not.toMatch(/\u001b/);
  });

  it('the same request again is the same instance', async () => {
    const { code, stdout } = await provision(request, '--wait', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      refId: request.refId,
      workflowId: `instance/${request.refId}`,
      started: false,
      instance: { phase: 'ready', refId: request.refId },
    });
  });

  it('another request with its refId is refused with 4', async () => {
    const { code, stderr } = await provision({ ...request, name: 'another' }, '--json');
    expect(code).toBe(4);
    expect(JSON.parse(stderr).error.kind).toBe('RefIdConflict');
  });

  it('show, events and ls print the same shapes as the client returns', async () => {
    const view = await json<InstanceView>('show', request.refId);
    expect(view).toEqual(await slipway.client.describe(request.refId));
    const page = await json<{ events: InstanceEvent[] }>('events', request.refId, '--from', '3');
    expect(page).toEqual(await slipway.client.events(request.refId, 3));
    expect(page.events[0]?.seq).toBe(3);
    await expect
      .poll(() => json<ListedInstance[]>('ls', '--phase', 'ready', '--location', 'us-west-1'), { timeout: 30_000 })
      .toContainEqual(expect.objectContaining({ refId: request.refId, phase: 'ready', open: true }));
  });

  it('show, events and ls print for people what they need, whole in a pipe', async () => {
    const [show, events, ls] = await Promise.all([run('show', request.refId), run('events', request.refId), run('ls')]);
    printed += show.stdout + events.stdout + ls.stdout;
    const { hostKey = 'none', cloudId = 'none' } = await slipway.client.describe(request.refId);
    expect(show.stdout).toContain(hostKey);
    expect(events.stdout).toContain('InstanceReady');
    expect(events.stdout).toContain(cloudId);
    expect(ls.stdout).toContain(request.refId);
    expect(`${show.stdout}${events.stdout}${ls.stdout}`).not.toContain('…');
  });

  it('stop and start wait for their phase; a reboot is not done before it began', async () => {
    const stopped = await json<{ instance: InstanceView }>('stop', request.refId, '--wait', '--actor', 'ann');
    expect(stopped).toMatchObject({ refId: request.refId, result: 'recorded', instance: { phase: 'stopped' } });
    expect(stopped.instance.lastCommand).toMatchObject({ actor: 'ann' });
    expect(await json('stop', request.refId)).toMatchObject({ result: 'already', phase: 'stopped' });
    await json('start', request.refId, '--wait');
    const { instance } = await json<{ instance: InstanceView }>('reboot', request.refId, '--wait');
    expect(instance.phase).toBe('ready');
    const { events } = await slipway.client.events(request.refId);
    expect(events.filter(({ type }) => type === 'RebootAccepted')).toHaveLength(1);
    expect(events.at(-1)?.type).toBe('InstanceReady');
  });

  it('the same request id twice has one effect', async () => {
    const args = ['tag', request.refId, 'team=a', 'cost-center=b=c', '--request-id', 'tag-once'];
    const first = await json<{ seq: number }>(...args);
    await json(...args);
    const { events } = await slipway.client.events(request.refId, first.seq);
    expect(events.filter(({ type }) => type === 'TagsChangeRequested')).toHaveLength(1);
    expect((await slipway.client.describe(request.refId)).tags).toEqual({ team: 'a', 'cost-center': 'b=c' });
  });

  it('a command that does not fit is refused with 4, by kind', async () => {
    const [type, release] = await Promise.all([
      run('change-type', request.refId, 'gpu_1x_h100_pcie', '--json'),
      run('release', request.refId, '--reason', 'none'),
    ]);
    expect(type.code).toBe(4);
    expect(JSON.parse(type.stderr).error.kind).toBe('WrongPhase');
    expect(release.code).toBe(4);
    expect(release.stderr).toContain('WrongPhase');
  });

  it('what cannot be right is refused with 2, by field', async () => {
    const rules = { ingressRules: [{ fromPort: 0, toPort: 1, ipRanges: [] }] };
    const [firewall, ...others] = await Promise.all([
      runCli(['set-firewall', request.refId, '-f', '-'], { env, input: JSON.stringify(rules) }),
      run('show', 'a/b'),
      run('ls', '--phase', 'flying'),
    ]);
    expect(firewall.code).toBe(2);
    expect(firewall.stderr).toContain('firewallRules.ingressRules[0].fromPort');
    expect(others.map(({ code }) => code)).toEqual([2, 2]);
  });

  it('terminate --watch ends once it is gone, and from then on it is over', async () => {
    const { code, stdout } = await run('terminate', request.refId, '--watch', '--reason', 'done');
    expect(code).toBe(0);
    expect(stdout).toMatch(/terminated/);
    const [again, start, show] = await Promise.all([
      json('terminate', request.refId),
      run('start', request.refId),
      run('show', request.refId),
    ]);
    expect(again).toMatchObject({ result: 'already', phase: 'terminated' });
    expect(start.code).toBe(4);
    expect(show.stdout).toContain('terminated');
  });

  it('prints no user data', () => {
    expect(printed).toContain(request.refId);
    expect(printed).not.toContain(SECRET);
    expect(printed).not.toContain(userDataBase64);
  });
});

describe('exit codes', () => {
  it('are 3 for a refId that nobody has', async () => {
    const runs = await Promise.all(['show', 'events', 'stop'].map((command) => run(command, 'nobody', '--json')));
    for (const { code, stderr } of runs) {
      expect(code).toBe(3);
      expect(JSON.parse(stderr)).toEqual({ error: { kind: 'NotFound', message: expect.stringContaining('nobody') } });
    }
  });

  it('are 5 for one that parks, with the typed explanation; and 0 once it was retried', async () => {
    const request = await parkedRequest();
    const { code, stdout, stderr } = await provision(request, '--watch');
    expect(code).toBe(5);
    expect(stdout).toMatch(/^ +[\d.]+s {2}parked/m);
    expect(stderr).toContain('OutOfQuota');
    expect(stderr).toContain(`slipway retry ${request.refId}`);
    await slipway.cloud.control.setQuota({ location: 'eu-north-1', maxInstances: null });
    const { instance } = await json<{ instance: InstanceView }>('retry', request.refId, '--wait');
    expect(instance.phase).toBe('ready');
  });

  it('are 5 when the time is up, and the instance goes on', async () => {
    const request = requestFor(slipway);
    const match = { tag: { refId: request.refId } };
    await slipway.cloud.control.addFault({ operation: 'create', kind: 'never-boots', match });
    const { code, stderr } = await provision(request, '--wait', '--timeout', '500ms', '--json');
    expect(code).toBe(5);
    expect(JSON.parse(stderr).error.kind).toBe('WaitTimeout');
    await slipway.client.waitFor(request.refId, 'pending');
  });
});

describe('a watch', () => {
  it('that is interrupted leaves the instance alone, and says so', async () => {
    const request = requestFor(slipway);
    const match = { tag: { refId: request.refId } };
    await slipway.cloud.control.addFault({ operation: 'create', kind: 'never-boots', match });
    const child = startCli(['provision', '-f', '-', '--watch'], { env });
    const output = collect(child);
    child.stdin?.end(JSON.stringify(request));
    await written(child, output, /pending/);
    expect(await end(child, 'SIGINT')).toBe(130);
    expect(output.stderr).toContain(`slipway show ${request.refId}`);
    const { phase, desired } = await slipway.client.describe(request.refId);
    expect({ phase, desired }).toEqual({ phase: 'pending', desired: 'running' });
  });

  it('whose reader has gone ends quietly', async () => {
    const request = requestFor(slipway);
    const child = startCli(['provision', '-f', '-', '--watch'], { env });
    const output = collect(child);
    child.stdout?.once('data', () => child.stdout?.destroy());
    child.stdin?.end(JSON.stringify(request));
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(0);
    expect(output.stderr).toBe('');
    await slipway.client.waitFor(request.refId, 'ready');
  });
});
