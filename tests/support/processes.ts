import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { SlipwayClient } from '../../src/client/client.js';
import { type Simcloud, type SimcloudOptions, startSimcloud } from '../../src/simcloud/index.js';
import { type DevServer, startDevServer } from '../../src/temporal/dev-server.js';
import { workerKey } from './slipway.js';

const WORKER = fileURLToPath(new URL('./worker-process.mjs', import.meta.url));

/** A worker that can be killed. */
export interface WorkerProcess {
  pid: number;
  /** SIGKILL, and gone when it resolves. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** Slipway as its users run it: every part a process of its own. */
export interface ProcessTopology {
  client: SlipwayClient;
  temporal: Client;
  cloud: Simcloud;
  cloudCredRefId: string;
  taskQueue: string;
  startWorker(): Promise<WorkerProcess>;
  close(): Promise<void>;
}

export interface TopologyOptions {
  address: string;
  simcloud?: SimcloudOptions;
  /** Fields of the sim credential; or another provider’s, for this cloud. */
  credential?: Record<string, unknown> | ((cloud: Simcloud) => Record<string, unknown>);
  workerEnv?: Record<string, string>;
}

export async function openTopology(options: TopologyOptions): Promise<ProcessTopology> {
  const { address, simcloud, credential } = options;
  const folder = await mkdtemp(join(tmpdir(), 'slipway-topology-'));
  const taskQueue = `test-${randomUUID().slice(0, 8)}`;
  const cloudCredRefId = `sim-${taskQueue}`;
  const cloud = await startSimcloud(simcloud);
  const sim = { provider: 'sim', apiUrl: `${cloud.url}/sim/v1`, apiKey: 'sim-key' };
  const own = typeof credential === 'function' ? credential(cloud) : credential;
  const fields = { pollIntervalMs: 100, ...(own?.provider ? own : { ...sim, ...own }) };
  await writeFile(join(folder, 'credentials.json'), JSON.stringify([{ cloudCredRefId, ...fields }]));
  await writeFile(join(folder, 'key'), workerKey.privateKey);
  await writeFile(join(folder, 'keys.json'), JSON.stringify({ default: 'key' }));
  const env = {
    ...process.env,
    TEMPORAL_ADDRESS: address,
    SLIPWAY_CREDENTIALS: join(folder, 'credentials.json'),
    SLIPWAY_SSH_KEYS: join(folder, 'keys.json'),
    SLIPWAY_TASK_QUEUE: taskQueue,
    SLIPWAY_LOG_LEVEL: process.env.SLIPWAY_TEST_LOG_LEVEL ?? 'silent',
    ...options.workerEnv,
  };
  const running = new Set<WorkerProcess>();
  const connection = await Connection.connect({ address });
  const temporal = new Client({ connection });
  return {
    client: new SlipwayClient({ client: temporal, taskQueue }),
    temporal,
    cloud,
    cloudCredRefId,
    taskQueue,
    startWorker: async () => {
      const child = spawn(process.execPath, [WORKER], { env, stdio: ['pipe', 'pipe', 'inherit'] });
      const worker = toWorkerProcess(child, () => running.delete(worker));
      running.add(worker);
      await Promise.race([
        once(child.stdout as NonNullable<typeof child.stdout>, 'data'),
        once(child, 'exit').then(([code]) => Promise.reject(new Error(`the worker ended at its start, with ${code}`))),
      ]);
      return worker;
    },
    close: async () => {
      await Promise.all([...running].map((worker) => worker.kill()));
      await connection.close();
      await cloud.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function toWorkerProcess(child: ChildProcess, onExit: () => void): WorkerProcess {
  const exited = once(child, 'exit').then(onExit);
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await exited;
  };
  return { pid: child.pid ?? 0, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') };
}

/** A Temporal server of the test's own, on a file: it can be killed, and started again with its data. */
export async function openTemporal(cliPath: string) {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-temporal-'));
  const dbFile = join(folder, 'temporal.db');
  let server: DevServer = await startDevServer({ cliPath, dbFile });
  const { address } = server;
  const port = Number(address.split(':').at(-1));
  return {
    address,
    kill: () => server.kill(),
    restart: async () => {
      server = await startDevServer({ cliPath, dbFile, port });
    },
    close: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
