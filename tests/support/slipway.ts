import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import type { WorkerInterceptors } from '@temporalio/worker';
import { inject } from 'vitest';
import type { WatchTiming } from '../../src/activities/watch/index.js';
import { SlipwayClient } from '../../src/client/client.js';
import type { Config } from '../../src/config.js';
import { watchWorkflowId } from '../../src/domain/ids.js';
import type { InstanceRequestInput } from '../../src/domain/instance/index.js';
import type { Journal } from '../../src/journal/index.js';
import { createLogger, type Logger, type LogLevel } from '../../src/logging.js';
import { type Simcloud, type SimcloudOptions, startSimcloud } from '../../src/simcloud/index.js';
import { makeSshKeyPair } from '../../src/ssh-key-pair.js';
import { installRuntime, type RunningWorker, startWorker } from '../../src/worker.js';

export const CREDENTIAL = 'sim-main';

export interface SlipwayOptions {
  simcloud?: SimcloudOptions;
  /** Fields of the sim credential, such as `listingLagMs` or `without`; or another provider's, for this cloud. */
  credential?: Record<string, unknown> | ((cloud: Simcloud) => Record<string, unknown>);
  maxCachedWorkflows?: number;
  watchTiming?: Partial<WatchTiming>;
  shutdownGraceMs?: number;
  strays?: Config['strays'];
  /** More credentials, by a name that `credentialNamed` finds: for the same cloud, but for what names a provider. */
  others?: Record<string, Record<string, unknown>>;
  /** Default: silent, or SLIPWAY_TEST_LOG_LEVEL. */
  logger?: Logger;
  /** Of a Temporal server of the test's own. */
  address?: string;
  openJournal?: () => Promise<Journal>;
  /** Breaks calls on their way: see `injection.ts`. */
  interceptors?: WorkerInterceptors;
}

/** A whole Slipway for one test file: simulated cloud, worker in this process, client, and a task queue of its own. */
export interface TestSlipway {
  client: SlipwayClient;
  temporal: Client;
  cloud: Simcloud;
  taskQueue: string;
  config: Config;
  startWorker(more?: Partial<SlipwayOptions>): Promise<RunningWorker>;
  worker: RunningWorker;
  close(): Promise<void>;
}

const logLevel = (process.env.SLIPWAY_TEST_LOG_LEVEL ?? 'silent') as LogLevel;
const quiet = createLogger({ level: logLevel, name: 'test' });
let isInstalled = false;

/** Once per process, before any worker: the first logger counts. */
export function installQuietRuntime(logger: Logger = quiet): void {
  if (!isInstalled) installRuntime(logger);
  isInstalled = true;
}

export async function openSlipway(options: SlipwayOptions = {}): Promise<TestSlipway> {
  const logger = options.logger ?? quiet;
  installQuietRuntime(logger);
  const address = options.address ?? inject('temporalAddress');
  const taskQueue = `test-${randomUUID().slice(0, 8)}`;
  // Watchers are named after the credential: tests that share a server must not share one.
  const cloudCredRefId = `${CREDENTIAL}-${taskQueue}`;
  const cloud = await startSimcloud(options.simcloud);
  const config = testConfig(cloud, cloudCredRefId, taskQueue, options);
  const start = (more: Partial<SlipwayOptions> = {}) =>
    startWorker({
      config: { ...config, ...(more.strays && { strays: more.strays }) },
      connectionOptions: { address },
      namespace: 'default',
      logger,
      bundle: { codePath: inject('workflowBundle') },
      maxCachedWorkflows: more.maxCachedWorkflows ?? options.maxCachedWorkflows,
      watchTiming: more.watchTiming ?? options.watchTiming,
      shutdownGraceMs: more.shutdownGraceMs ?? options.shutdownGraceMs,
      interceptors: options.interceptors,
      openJournal: more.openJournal ?? options.openJournal,
    });
  const worker = await start();
  const connection = await Connection.connect({ address });
  const temporal = new Client({ connection });
  return {
    client: new SlipwayClient({ client: temporal, taskQueue }),
    temporal,
    cloud,
    taskQueue,
    config,
    startWorker: start,
    worker,
    close: async () => {
      await worker.stop();
      await connection.close();
      await cloud.stop();
    },
  };
}

export const workerKey = makeSshKeyPair();

function testConfig(cloud: Simcloud, cloudCredRefId: string, taskQueue: string, options: SlipwayOptions): Config {
  const sim = { provider: 'sim', apiUrl: `${cloud.url}/sim/v1`, apiKey: 'sim-key', pollIntervalMs: 100 };
  const others = Object.entries(options.others ?? {}).map(([name, fields]) => {
    return { cloudCredRefId: `${name}-${taskQueue}`, ...(fields.provider ? { provider: '' } : sim), ...fields };
  });
  const own = typeof options.credential === 'function' ? options.credential(cloud) : options.credential;
  return {
    // A field of sim's that another provider does not have is undefined there.
    credentials: [{ cloudCredRefId, ...(JSON.parse(JSON.stringify({ ...sim, ...own })) as typeof sim) }, ...others],
    sshKeys: { default: workerKey.privateKey },
    taskQueue,
    logLevel: 'silent',
    strays: options.strays ?? 'report',
  };
}

export const userKey = makeSshKeyPair();

/** A request that works, for one offer of the simulated cloud. */
export function requestFor(slipway: TestSlipway, more: Partial<InstanceRequestInput> = {}): InstanceRequestInput {
  return {
    refId: randomUUID(),
    name: 'trainer-1',
    publicKey: `${userKey.publicKey} ann@host`,
    offers: [offerAt(slipway)],
    ...more,
  };
}

/** The full name of one of `others`. */
export function credentialNamed(slipway: TestSlipway, name: string): string {
  return `${name}-${slipway.taskQueue}`;
}

export function credentialOf({ config }: TestSlipway): string {
  return config.credentials[0]?.cloudCredRefId ?? CREDENTIAL;
}

/** The workflow that watches its account. */
export function watcherOf(slipway: TestSlipway) {
  return slipway.temporal.workflow.getHandle(watchWorkflowId(credentialOf(slipway)));
}

export function offerAt(slipway: TestSlipway, location = 'us-west-1', instanceType = 'gpu_1x_a10') {
  return { cloudCredRefId: credentialOf(slipway), location, instanceType };
}
