import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import ssh2 from 'ssh2';
import { afterEach } from 'vitest';
import {
  DEFAULT_ACCOUNT,
  type Simcloud,
  type SimcloudOptions,
  type SimInstance,
  startSimcloud,
} from '../../src/simcloud/index.js';

/** Quick enough that nobody waits, slow enough that each state can be seen. */
export const QUICK = {
  bootMs: 40,
  sshDelayMs: 0,
  stopMs: 20,
  startMs: 20,
  rebootMs: 20,
  terminateMs: 20,
  forgetAfterMs: 60_000,
};

const opened: Simcloud[] = [];

/** A cloud that is stopped after the test. */
export async function cloudWith(options: SimcloudOptions = {}): Promise<Simcloud> {
  const cloud = await startSimcloud({ seed: 'test', ...options, timing: { ...QUICK, ...options.timing } });
  opened.push(cloud);
  return cloud;
}

export async function stopClouds(): Promise<void> {
  await Promise.all(opened.splice(0).map((cloud) => cloud.stop()));
}

afterEach(stopClouds);

export const KEY = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256, comment: 'ann@host' });
export const OTHER_KEY = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256, comment: 'bob@host' });

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  body: {
    instance: SimInstance;
    instances: SimInstance[];
    nextPageToken?: string;
    instanceTypes: { id: string; name: string; location: string; available: boolean; gpu?: { count: number } }[];
    quotas: { location: string | null; maximum: number | null; current: number }[];
    locations: { name: string }[];
    images: { id: string }[];
    error: { code: string; message: string; field?: string };
  };
}

/** One call in the sim dialect; rejects when the connection is closed without an answer. */
export async function call(
  cloud: Simcloud,
  method: string,
  path: string,
  body?: unknown,
  apiKey = DEFAULT_ACCOUNT.apiKey,
): Promise<Answer> {
  const response = await fetch(`${cloud.url}/sim/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${apiKey}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : {} };
}

export function spec(change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: 'trainer-1',
    location: 'us-west-1',
    instanceType: 'gpu_1x_a10',
    publicKeys: [KEY.public],
    tags: { refId: 'ref-1' },
    ...change,
  };
}

export function specFor(refId: string, change: Record<string, unknown> = {}): Record<string, unknown> {
  return spec({ name: refId, tags: { refId }, ...change });
}

/** @throws {Error} unless the answer is 201. */
export async function create(cloud: Simcloud, body: unknown = spec(), apiKey?: string): Promise<SimInstance> {
  const answer = await call(cloud, 'POST', '/instances', body, apiKey);
  if (answer.status !== 201) throw new Error(`create answered ${answer.status}: ${answer.text}`);
  return answer.body.instance;
}

/** Looks again until it is there; the test's own time limit ends the wait. */
export async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    await sleep(5);
  }
}

export async function untilStatus(cloud: Simcloud, id: string, status: string): Promise<SimInstance> {
  return until(async () => {
    const { instance } = (await call(cloud, 'GET', `/instances/${id}`)).body;
    return instance?.status === status && instance;
  });
}

/** Created, running, and its SSH port open. */
export async function running(cloud: Simcloud, body?: unknown): Promise<SimInstance & { publicAddress: string }> {
  const { id } = await create(cloud, body);
  const instance = await untilStatus(cloud, id, 'running');
  if (!instance.publicAddress) throw new Error('a running instance has an address');
  await until(async () => (await boundPort(cloud, id, 22)) !== null);
  return { ...instance, publicAddress: instance.publicAddress };
}

export async function boundPort(cloud: Simcloud, id: string, port: number): Promise<number | null> {
  const view = await cloud.control.machine(id);
  return view.ports.find((one) => one.port === port)?.boundPort ?? null;
}

export interface SshResult {
  code: number;
  stdout: string;
  stderr: string;
  /** The host key that was shown, base64. */
  hostKey: string;
}

export interface SshTarget {
  publicAddress?: string;
  sshPort: number;
  sshUser: string;
}

/** Connects, runs one command, disconnects; rejects as ssh2 does. */
export async function ssh(
  target: SshTarget,
  command: string,
  privateKey = KEY.private,
  timeoutMs = 1_500,
): Promise<SshResult> {
  const { client, hostKey } = await sshConnect(target, privateKey, timeoutMs);
  try {
    return await new Promise((resolve, reject) => {
      client.once('close', () => reject(new Error('the connection was closed')));
      client.exec(command, (error, channel) => {
        if (error) return reject(error);
        let stdout = '';
        let stderr = '';
        channel.on('data', (data: Buffer) => {
          stdout += data;
        });
        channel.stderr.on('data', (data: Buffer) => {
          stderr += data;
        });
        channel.on('close', (code: number) => resolve({ code, stdout, stderr, hostKey }));
      });
    });
  } finally {
    client.end();
  }
}

export async function sshConnect(
  target: SshTarget,
  privateKey = KEY.private,
  timeoutMs = 1_500,
): Promise<{ client: ssh2.Client; hostKey: string }> {
  const client = new ssh2.Client();
  let hostKey = '';
  await new Promise<void>((resolve, reject) => {
    client.on('error', reject);
    client.once('close', () => reject(new Error('the connection was closed')));
    client.once('ready', resolve);
    client.once('connect', () => client.setNoDelay(true));
    client.connect({
      host: target.publicAddress,
      port: target.sshPort,
      username: target.sshUser,
      privateKey,
      readyTimeout: timeoutMs,
      hostVerifier: (key: Buffer) => {
        hostKey = key.toString('base64');
        return true;
      },
    });
  });
  return { client, hostKey };
}

/** What a caller of a TCP port meets: its first words, or how it failed. */
export function dial(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    let isOpen = false;
    socket.setTimeout(1_000, () => socket.destroy(new Error('silent')));
    socket.once('connect', () => {
      isOpen = true;
    });
    socket.once('data', (data) => {
      resolve(data.toString().trim());
      socket.destroy();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once('close', () => resolve(isOpen ? 'closed' : 'not connected'));
  });
}
