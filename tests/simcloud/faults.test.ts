import { describe, expect, it } from 'vitest';
import type { NewFault } from '../../src/simcloud/index.js';
import {
  boundPort,
  call,
  cloudWith,
  create,
  dial,
  running,
  spec,
  specFor,
  ssh,
  sshConnect,
  until,
  untilStatus,
} from './support.js';

/** A cloud with one fault on it, and a create under that fault: its status, or `no answer`. */
async function createUnder(fault: Omit<NewFault, 'operation'>) {
  const cloud = await cloudWith();
  await cloud.control.addFault({ operation: 'create', ...fault });
  const answer = await call(cloud, 'POST', '/instances', spec()).catch(() => undefined);
  const { created } = await cloud.control.report();
  return { cloud, answer, created };
}

describe('a fault that spoils the answer', () => {
  it.each([
    ['drop-before-work', undefined, undefined, 0],
    ['drop-answer-after-work', undefined, undefined, 1],
    ['error-500', 500, 'internal', 0],
    ['error-500-after-work', 500, 'internal', 1],
    ['error-503', 503, 'unavailable', 0],
    ['rate-limited', 429, 'rate.limited', 0],
    ['out-of-stock', 409, 'capacity.out_of_stock', 0],
    ['quota', 403, 'quota.exceeded', 0],
    ['html-instead-of-json', 502, undefined, 0],
  ] as const)('%s answers %s %s, and leaves %i machines', async (kind, status, code, machines) => {
    const { cloud, answer, created } = await createUnder({ kind });
    expect([answer?.status, answer?.body.error?.code, created]).toEqual([status, code, machines]);
    // It was for one call: the next is as it should be.
    expect((await call(cloud, 'POST', '/instances', specFor('ref-2'))).status).toBe(201);
    const [first] = (await cloud.control.calls()).latest;
    expect(first).toMatchObject({ operation: 'create', fault: kind, status: status ?? 0, key: 'ref-1' });
  });

  it('html-instead-of-json says so in its content type', async () => {
    const { answer } = await createUnder({ kind: 'html-instead-of-json' });
    expect(answer?.headers.get('content-type')).toMatch('text/html');
    expect(answer?.text).toMatch('<html>');
  });

  it.each([
    [7, '7'],
    [undefined, null],
  ])('rate-limited has a Retry-After of %s as %s', async (retryAfterSeconds, header) => {
    const { answer } = await createUnder({ kind: 'rate-limited', retryAfterSeconds });
    expect(answer?.headers.get('retry-after')).toBe(header);
  });

  it('late-answer does the work at once and answers when the time has come', async () => {
    const cloud = await cloudWith();
    await cloud.control.addFault({ operation: 'create', kind: 'late-answer', delayMs: 3_600_000 });
    let isAnswered = false;
    const answer = create(cloud).finally(() => {
      isAnswered = true;
    });
    await until(async () => (await cloud.control.report()).created === 1);
    expect(isAnswered).toBe(false);
    await cloud.control.advance(3_600_000);
    expect((await answer).id).toMatch(/^i-/);
  });

  it('does not keep a cloud from stopping while an answer is late', async () => {
    const cloud = await cloudWith();
    await cloud.control.addFault({ operation: 'create', kind: 'late-answer', delayMs: 3_600_000 });
    const answer = create(cloud).catch(() => 'no answer');
    await until(async () => (await cloud.control.report()).created === 1);
    await cloud.stop();
    expect(await answer).toBe('no answer');
  });

  it('late-work lets the machine appear when nobody waits for it any more', async () => {
    const { cloud, answer, created } = await createUnder({ kind: 'late-work', delayMs: 3_600_000 });
    expect([answer, created]).toEqual([undefined, 0]);
    await cloud.control.advance(3_600_000);
    const { instances } = (await call(cloud, 'GET', '/instances?tag=refId%3Dref-1')).body;
    expect(instances).toHaveLength(1);
  });

  it('out-of-stock can meet a start as well', async () => {
    const cloud = await cloudWith();
    const { id } = await running(cloud);
    await call(cloud, 'POST', `/instances/${id}/stop`);
    await untilStatus(cloud, id, 'stopped');
    await cloud.control.addFault({ operation: 'start', kind: 'out-of-stock' });
    expect((await call(cloud, 'POST', `/instances/${id}/start`)).body.error.code).toBe('capacity.out_of_stock');
  });
});

describe('a fault that spoils a termination', () => {
  it('terminate-lies is accepted, and nothing happens', async () => {
    const cloud = await cloudWith();
    const { id } = await running(cloud);
    await cloud.control.addFault({ operation: 'terminate', kind: 'terminate-lies' });
    expect((await call(cloud, 'DELETE', `/instances/${id}`)).status).toBe(202);
    await cloud.control.advance(3_600_000);
    expect((await call(cloud, 'GET', `/instances/${id}`)).body.instance.status).toBe('running');
    expect(await cloud.control.report()).toMatchObject({ running: 1, leaked: 1 });
    await call(cloud, 'DELETE', `/instances/${id}`);
    await untilStatus(cloud, id, 'terminated');
  });

  it('terminate-refused says busy, and slow-terminate takes its time', async () => {
    const cloud = await cloudWith();
    const { id } = await running(cloud);
    await cloud.control.addFault({ operation: 'terminate', kind: 'terminate-refused', times: 2 });
    for (let attempt = 0; attempt < 2; attempt++) {
      const refused = await call(cloud, 'DELETE', `/instances/${id}`);
      expect([refused.status, refused.body.error.code]).toEqual([409, 'instance.busy']);
    }
    await cloud.control.addFault({ operation: 'terminate', kind: 'slow-terminate', delayMs: 3_600_000 });
    expect((await call(cloud, 'DELETE', `/instances/${id}`)).status).toBe(202);
    await cloud.control.advance(1_800_000);
    expect((await call(cloud, 'GET', `/instances/${id}`)).body.instance.status).toBe('terminating');
    await cloud.control.advance(1_800_000);
    await untilStatus(cloud, id, 'terminated');
  });
});

describe('a machine that was made to misbehave', () => {
  const made = async (kind: NewFault['kind'], delayMs?: number) => {
    const { cloud, answer } = await createUnder({ kind, delayMs });
    const id = answer?.body.instance.id ?? '';
    return { cloud, id, status: async () => (await call(cloud, 'GET', `/instances/${id}`)).body.instance?.status };
  };

  it('never-boots stays pending', async () => {
    const { cloud, id, status } = await made('never-boots');
    await cloud.control.advance(86_400_000);
    expect(await status()).toBe('pending');
    expect((await call(cloud, 'DELETE', `/instances/${id}`)).status).toBe(202);
  });

  it('slow-boot takes as long as it says', async () => {
    const { cloud, status } = await made('slow-boot', 3_600_000);
    await cloud.control.advance(3_500_000);
    expect(await status()).toBe('pending');
    await cloud.control.advance(100_000);
    expect(await status()).toBe('running');
  });

  it.each([
    ['boot-fails', 'failed', ['pending', 'failed']],
    ['boots-then-fails', 'failed', ['pending', 'running', 'failed']],
    ['stops-by-itself', 'stopped', ['pending', 'running', 'stopped']],
  ] as const)('%s ends as %s, and goes on billing until it is terminated', async (kind, end, history) => {
    const { cloud, id } = await made(kind);
    expect((await untilStatus(cloud, id, end)).statusMessage).toEqual(expect.any(String));
    const [entry] = await cloud.control.ledger();
    expect(entry?.history.map(({ status }) => status)).toEqual(history);
    expect(entry?.isLive).toBe(true);
    await call(cloud, 'DELETE', `/instances/${id}`);
    await untilStatus(cloud, id, 'terminated');
    expect(await cloud.control.report()).toMatchObject({ running: 0 });
  });

  it('vanishes from list and get, and is not live any more', async () => {
    const { cloud, id, status } = await made('vanishes', 3_600_000);
    await untilStatus(cloud, id, 'running');
    const { publicAddress = '', sshPort } = (await call(cloud, 'GET', `/instances/${id}`)).body.instance;
    await cloud.control.advance(3_600_000);
    expect(await status()).toBeUndefined();
    expect((await call(cloud, 'GET', '/instances')).body.instances).toEqual([]);
    expect(await cloud.control.report()).toMatchObject({ created: 1, running: 0, leaked: 0 });
    expect(await dial(publicAddress, sshPort)).toBe('ECONNREFUSED');
  });

  it.each([
    ['ssh-silent', /Timed out/],
    ['ssh-refused', /ECONNREFUSED/],
    ['ssh-resets', /ECONNRESET|closed|lost/i],
    ['ssh-refuses-key', /authentication/],
  ] as const)('%s for the time it is told, and then lets us in', async (kind, failure) => {
    const { cloud, id } = await made(kind, 3_600_000);
    const machine = await untilStatus(cloud, id, 'running');
    if (kind !== 'ssh-refused') await until(async () => (await boundPort(cloud, id, 22)) !== null);
    await expect(ssh(machine, 'true', undefined, 150)).rejects.toThrow(failure);
    await cloud.control.advance(3_600_000);
    expect((await ssh(machine, 'true')).code).toBe(0);
  });

  it('ssh-silent without a time is silent for ever', async () => {
    const { cloud, id } = await made('ssh-silent');
    const machine = await untilStatus(cloud, id, 'running');
    await cloud.control.advance(86_400_000);
    await expect(ssh(machine, 'true', undefined, 100)).rejects.toThrow(/Timed out/);
  });

  it('ssh-new-host-key shows another key after the next start', async () => {
    const { cloud, id } = await made('ssh-new-host-key');
    const machine = await untilStatus(cloud, id, 'running');
    const before = await until(() => ssh(machine, 'true').catch(() => undefined));
    await call(cloud, 'POST', `/instances/${id}/stop`);
    await until(async () => (await call(cloud, 'POST', `/instances/${id}/start`)).status === 202);
    const after = await until(() => ssh(machine, 'true').catch(() => undefined));
    expect(after.hostKey).not.toBe(before.hostKey);
  });

  it('cloud-init-hangs does not return from its wait', async () => {
    const { cloud, id } = await made('cloud-init-hangs');
    const machine = await untilStatus(cloud, id, 'running');
    const { client } = await until(() => sshConnect(machine).catch(() => undefined));
    let isBack = false;
    client.exec('cloud-init status --wait', (_error, channel) => {
      channel.once('close', () => {
        isBack = true;
      });
    });
    await cloud.control.advance(86_400_000);
    expect((await ssh(machine, 'cloud-init status')).stdout).toBe('status: running\n');
    expect(isBack).toBe(false);
    client.end();
  });
});

describe('whom a fault is for', () => {
  it('strikes those that match, as often as it says', async () => {
    const cloud = await cloudWith();
    const fault = await cloud.control.addFault({
      operation: 'create',
      kind: 'error-500',
      match: { tag: { refId: 'b' }, location: 'us-west-1' },
      times: 2,
    });
    const statuses = async (...refs: string[]): Promise<number[]> => {
      const answers = [];
      for (const ref of refs) answers.push((await call(cloud, 'POST', '/instances', specFor(ref))).status);
      return answers;
    };
    expect(await statuses('a', 'b')).toEqual([201, 500]);
    expect(await cloud.control.faults()).toEqual([{ ...fault, times: 1 }]);
    expect(await statuses('b', 'b')).toEqual([500, 201]);
    expect(await cloud.control.faults()).toEqual([]);
  });

  it('knows a machine by its tags, type and name in every call on it', async () => {
    const cloud = await cloudWith();
    const [a, b] = [await running(cloud, specFor('a')), await running(cloud, specFor('b'))];
    await cloud.control.addFault({ operation: '*', kind: 'error-503', match: { name: 'b' }, times: 'always' });
    expect((await call(cloud, 'GET', `/instances/${a.id}`)).status).toBe(200);
    expect((await call(cloud, 'GET', `/instances/${b.id}`)).status).toBe(503);
    expect((await call(cloud, 'POST', `/instances/${b.id}/stop`)).status).toBe(503);
    await cloud.control.removeFaults();
    expect((await call(cloud, 'GET', `/instances/${b.id}`)).status).toBe(200);
  });

  it('refuses a fault that could never strike', async () => {
    const cloud = await cloudWith();
    await expect(cloud.control.addFault({ operation: 'get', kind: 'never-boots' })).rejects.toMatchObject({
      code: 'request.invalid',
      details: { field: 'operation' },
    });
  });
});
