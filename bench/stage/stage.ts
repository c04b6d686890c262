import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { bundleWorkflowCode } from '@temporalio/worker';
import getPort from 'get-port';
import { SlipwayClient } from '../../src/client/client.js';
import { type Control, createControlClient, type SimcloudOptions } from '../../src/simcloud/index.js';
import { makeSshKeyPair } from '../../src/ssh-key-pair.js';
import { findTemporalCli } from '../../src/temporal/cli-binary.js';
import { connectClient } from '../../src/temporal/connection.js';
import { type DevServer, startDevServer } from '../../src/temporal/dev-server.js';
import { Compose } from '../../tests/topology/compose.js';
import { readDockerfile } from '../../tests/topology/dockerfile.js';
import { type Child, startChild } from './child.js';
import { databaseRoot } from './folder.js';

const shipped = (file: string) => fileURLToPath(new URL(`../../${file}`, import.meta.url));
const { environment } = new Compose(shipped('docker-compose.yml')).service('worker-1', { POSTGRES_PASSWORD: 'unused' });
/** As a worker in our image has it under docker-compose.yml: how much of what was freed V8 and glibc let lie. */
const MEMORY = {
  NODE_OPTIONS: environment.NODE_OPTIONS ?? '',
  MALLOC_TRIM_THRESHOLD_: readDockerfile(shipped('Dockerfile')).environment.MALLOC_TRIM_THRESHOLD_ ?? '',
};

/** A simulated cloud in another process. */
export interface BenchCloud {
  url: string;
  pid: number;
  control: Control;
}

/** One worker of ours with an account of its own, and what talks to it. */
export interface Slipway {
  client: SlipwayClient;
  cloud: BenchCloud;
  cloudCredRefId: string;
  pid: number;
  /** Throws once something it needs has died. */
  mustLive(): void;
  /** How many heartbeats this worker has sent to the server. Only with `metrics`. */
  heartbeats(): Promise<number>;
  stop(): Promise<void>;
}

export interface SlipwayOptions {
  cloud: BenchCloud;
  /** Fields of the credential, beside or in place of the sim provider's. */
  credential?: Record<string, unknown>;
  journal?: boolean;
  /** Counts requests to the server. */
  metrics?: boolean;
  /** Where the worker leaves a CPU profile when it stops. */
  profile?: string;
}

/** Workers of the bare workflow. */
export interface Bare {
  taskQueue: string;
  pid: number;
  mustLive(): void;
}

/** Everything one section runs on: a Temporal server of its own on a file, and processes around it. */
export class Stage {
  readonly #undo: (() => Promise<unknown>)[] = [];
  #names = 0;
  readonly userKey = makeSshKeyPair().publicKey;

  private constructor(
    readonly server: DevServer,
    readonly temporal: Client,
    /** With what it stores things in, and where. */
    readonly serverVersion: string,
    private readonly folder: string,
  ) {}

  static async open(report: (line: string) => void): Promise<Stage> {
    const root = await databaseRoot();
    const folder = await mkdtemp(join(root, 'slipway-bench-'));
    const cliPath = await findTemporalCli({ report });
    const server = await startDevServer({
      cliPath,
      dbFile: join(folder, 'temporal.db'),
      logFile: join(folder, 'temporal.log'),
    });
    const temporal = await connectClient({ connectionOptions: { address: server.address }, namespace: 'default' });
    const { serverVersion } = await temporal.connection.workflowService.getSystemInfo({});
    const stage = new Stage(server, temporal, `${serverVersion} on SQLite in ${root}`, folder);
    stage.#undo.push(
      () => rm(folder, { recursive: true, force: true }),
      () => server.stop(),
      () => temporal.connection.close(),
    );
    return stage;
  }

  async startCloud(options: SimcloudOptions): Promise<BenchCloud> {
    const child = await this.#start<{ url: string }>('simcloud', { BENCH_SIMCLOUD: JSON.stringify(options) });
    const { url } = child.told;
    return { url, pid: child.pid, control: createControlClient(url) };
  }

  async startSlipway({ cloud, credential, journal, metrics, profile }: SlipwayOptions): Promise<Slipway> {
    const name = this.#name('bench');
    const folder = join(this.folder, name);
    await mkdir(folder);
    const sim = { cloudCredRefId: name, provider: 'sim', apiUrl: `${cloud.url}/sim/v1`, apiKey: 'sim-key' };
    const at = (file: string) => join(folder, file);
    await writeFile(at('credentials.json'), JSON.stringify([{ ...sim, ...credential }]));
    await writeFile(at('key'), makeSshKeyPair().privateKey);
    await writeFile(at('keys.json'), JSON.stringify({ default: 'key' }));
    const metricsAt = `127.0.0.1:${await getPort()}`;
    const env = {
      ...MEMORY,
      TEMPORAL_ADDRESS: this.server.address,
      SLIPWAY_CREDENTIALS: at('credentials.json'),
      SLIPWAY_SSH_KEYS: at('keys.json'),
      SLIPWAY_TASK_QUEUE: name,
      SLIPWAY_LOG_LEVEL: 'error',
      SLIPWAY_JOURNAL_URL: journal ? `sqlite:${at('journal.db')}` : '',
      ...(metrics && { BENCH_METRICS: metricsAt }),
    };
    const flags = profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : [];
    const child = await this.#start('slipway-worker', env, flags);
    return {
      client: new SlipwayClient({ client: this.temporal, taskQueue: name, timeoutMs: 120_000 }),
      cloud,
      cloudCredRefId: name,
      pid: child.pid,
      mustLive: () => child.mustLive(),
      heartbeats: () => countHeartbeats(`http://${metricsAt}/metrics`),
      stop: () => child.stop(),
    };
  }

  async startBare(): Promise<Bare> {
    const name = this.#name('bare');
    const bundle = await this.writeBundle('bare');
    const env = { ...MEMORY, TEMPORAL_ADDRESS: this.server.address, BENCH_TASK_QUEUE: name, BENCH_BUNDLE: bundle };
    const child = await this.#start('bare-worker', env);
    return { taskQueue: name, pid: child.pid, mustLive: () => child.mustLive() };
  }

  async writeBundle(name: string): Promise<string> {
    const file = join(this.folder, `${name}.cjs`);
    await writeFile(file, await sdkOnlyBundle(name));
    return file;
  }

  /** What the server keeps on disk, its write-ahead log included, in bytes. */
  async databaseBytes(): Promise<number> {
    const sizeOf = async (file: string) => (await stat(join(this.folder, file)).catch(() => ({ size: 0 }))).size;
    return (await sizeOf('temporal.db')) + (await sizeOf('temporal.db-wal'));
  }

  async close(): Promise<void> {
    for (const undo of this.#undo.reverse()) await undo();
  }

  #name(what: string): string {
    this.#names += 1;
    return `${what}-${this.#names}`;
  }

  async #start<Told>(
    name: Parameters<typeof startChild>[0],
    env: Record<string, string>,
    flags: string[] = [],
  ): Promise<Child<Told>> {
    const child = await startChild<Told>(name, env, flags);
    this.#undo.push(() => child.stop());
    return child;
  }
}

/** One file of `workflows/`, and the SDK. */
export async function sdkOnlyBundle(name: string): Promise<string> {
  const workflowsPath = fileURLToPath(new URL(`../workflows/${name}.ts`, import.meta.url));
  const quiet = () => undefined;
  const logger = { log: quiet, trace: quiet, debug: quiet, info: quiet, warn: console.warn, error: console.error };
  return (await bundleWorkflowCode({ workflowsPath, logger })).code;
}

async function countHeartbeats(url: string): Promise<number> {
  const text = await (await fetch(url)).text();
  const lines = text
    .split('\n')
    .filter((line) => /^temporal_request(_total)?\{/.test(line) && line.includes('"RecordActivityTaskHeartbeat"'));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
