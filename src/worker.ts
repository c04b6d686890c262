import { Client } from '@temporalio/client';
import {
  NativeConnection,
  Runtime,
  Worker,
  type WorkerInterceptors,
  type WorkflowBundleOption,
} from '@temporalio/worker';
import { createActivities } from './activities/index.js';
import { BootTimes } from './activities/journal/boot-times.js';
import { FactKeeper, type FactKeeperOptions } from './activities/journal/fact-keeper.js';
import { journaling } from './activities/journal/interceptor.js';
import type { WatchTiming } from './activities/watch/index.js';
import { findBastions } from './adapters/bastion.js';
import { createProviders, getProvider } from './adapters/registry.js';
import type { Config } from './config.js';
import type { Health } from './health.js';
import { type Journal, JournalUnavailable, openJournal } from './journal/index.js';
import type { Logger } from './logging.js';
import type { ServerConnectionOptions } from './temporal/connection.js';
import { workflowBundle } from './workflow-bundle.js';

export interface WorkerOptions {
  config: Config;
  connectionOptions: ServerConnectionOptions;
  namespace: string;
  logger: Logger;
  /** Default: the built one. */
  bundle?: WorkflowBundleOption;
  /** 0 replays the whole history at every task: tests want that. Default 1,000. */
  maxCachedWorkflows?: number;
  watchTiming?: Partial<WatchTiming>;
  /** How long a stop lets calls under way finish, in ms. Default `SHUTDOWN_GRACE_MS`. */
  shutdownGraceMs?: number;
  /** Default: where the config says, if it does. */
  openJournal?: () => Promise<Journal>;
  /** Temporal's own: for tracing, and for tests that break calls. */
  interceptors?: WorkerInterceptors;
}

export interface RunningWorker {
  /** Resolves once it has stopped; rejects when it failed. */
  done: Promise<void>;
  /** How it is just now; asks Temporal, briefly. Never rejects. */
  health(): Promise<Health>;
  /** Takes no more work, lets what runs finish for a while, then returns. */
  stop(): Promise<void>;
}

/** Long enough for a provider call under way to be answered, in ms: what is cut off must be looked up later. */
export const SHUTDOWN_GRACE_MS = 20_000;
/** By then it has stopped, in ms; whoever ends it with SIGKILL waits longer (`stop_grace_period`). */
export const SHUTDOWN_FORCE_MS = SHUTDOWN_GRACE_MS + 10_000;
/** A health check that waited longer would be given up by whoever asked. */
const HEALTH_WITHIN_MS = 3_000;

/** How every worker of ours is set. `npm run bench` gives the bare worker that ours is held against the same. */
export const WORKER_TUNING = {
  maxCachedWorkflows: 1_000,
  // They share one thread. A task that was taken must be done within 10 s, or it is repeated, with a whole replay: a
  // worker that takes more than it can do when the machine is busy does nothing but that (seen with 100).
  maxConcurrentWorkflowTaskExecutions: 20,
  // Every watcher and every SSH probe under way holds a slot, and costs next to nothing.
  maxConcurrentActivityTaskExecutions: 500,
  workflowTaskPollerBehavior: { type: 'autoscaling' },
  activityTaskPollerBehavior: { type: 'autoscaling' },
  // A worker that dies takes its sticky tasks with it: another takes over after this.
  stickyQueueScheduleToStartTimeout: 5_000,
  // Four fifths of an activity's heartbeat timeout are waited between two heartbeats, but no more than this: with the
  // SDK's own minute a watcher at rest would beat 1,440 times a day.
  maxHeartbeatThrottleInterval: '30 minutes',
} as const;

/** Wires everything, and polls until it is stopped. Wakes the watcher of every credential that it holds. */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { config, connectionOptions, namespace, logger } = options;
  const { taskQueue, strays, sshKeys } = config;
  const connection = await NativeConnection.connect(connectionOptions);
  const client = new Client({ connection, namespace });
  const providers = createProviders(config);
  const bastions = findBastions(config.credentials);
  const leaving = new AbortController();
  const { journalUrl } = config;
  const open = options.openJournal ?? (journalUrl ? () => openJournal(journalUrl) : undefined);
  const facts = open && (await keepFacts({ open, client, logger }));
  const boots = facts && new BootTimes(() => facts.opened());
  const { activities, watchers } = createActivities({
    provider: (cloudCredRefId) => getProvider(providers, cloudCredRefId),
    sshKeys,
    bastion: (cloudCredRefId) => bastions.get(cloudCredRefId),
    client,
    taskQueue,
    logger,
    strays,
    usualBoot: boots && ((offer) => boots.usual(offer)),
    leaving: leaving.signal,
    watchTiming: options.watchTiming,
  });
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue,
    activities,
    workflowBundle: options.bundle ?? (await workflowBundle()),
    interceptors: withJournal(options.interceptors, facts),
    ...WORKER_TUNING,
    ...(options.maxCachedWorkflows !== undefined && { maxCachedWorkflows: options.maxCachedWorkflows }),
    shutdownGraceTime: options.shutdownGraceMs ?? SHUTDOWN_GRACE_MS,
    shutdownForceTime: SHUTDOWN_FORCE_MS,
  });
  const done = worker.run().finally(async () => {
    await facts?.close();
    await connection.close();
  });
  done.catch(() => undefined); // whoever awaits it gets the error
  for (const cloudCredRefId of providers.keys()) await watchers.wake(cloudCredRefId);
  logger.info({ taskQueue, namespace, credentials: [...providers.keys()] }, 'Worker is polling');
  return {
    done,
    health: async () => ({
      state: worker.getState(),
      isPolling: isPolling(worker),
      isTemporalReachable: await answers(connection, namespace),
    }),
    stop: async () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      leaving.abort();
      await done;
    },
  };
}

/**
 * A journal that does not answer keeps no worker from starting: what runs must be ended, and is journaled later.
 * @throws {JournalError} for a journal that answers, and whose schema is not this code's.
 */
async function keepFacts(options: FactKeeperOptions): Promise<FactKeeper> {
  const facts = new FactKeeper(options);
  try {
    await facts.opened();
  } catch (error) {
    if (!(error instanceof JournalUnavailable)) throw error;
    options.logger.error({ err: error }, 'The journal does not answer: new machines wait for it');
  }
  return facts;
}

/** Ours comes first: a call that tests break must not have told the journal of what it was not asked. */
function withJournal(interceptors: WorkerInterceptors | undefined, facts: FactKeeper | undefined): WorkerInterceptors {
  if (!facts) return interceptors ?? {};
  return { ...interceptors, activity: [() => ({ inbound: journaling(facts) }), ...(interceptors?.activity ?? [])] };
}

function isPolling(worker: Worker): boolean {
  const { workflowPollerState, activityPollerState } = worker.getStatus();
  return workflowPollerState === 'POLLING' && activityPollerState === 'POLLING';
}

async function answers(connection: NativeConnection, namespace: string): Promise<boolean> {
  const ask = () => connection.workflowService.describeNamespace({ namespace });
  return await connection.withDeadline(Date.now() + HEALTH_WITHIN_MS, ask).then(
    () => true,
    () => false,
  );
}

/** Sends the SDK's own log through ours. Once per process, before any worker. */
export function installRuntime(logger: Logger): void {
  const at = (level: string) => level.toLowerCase() as 'debug' | 'info' | 'warn' | 'error';
  // The SDK's trace shows whole payloads, in base64: user data among them, where no redaction would find it.
  const ignore = () => undefined;
  Runtime.install({
    logger: {
      log: (level, message, meta) => (level === 'TRACE' ? undefined : logger[at(level)](meta ?? {}, message)),
      trace: ignore,
      debug: (message, meta) => logger.debug(meta ?? {}, message),
      info: (message, meta) => logger.debug(meta ?? {}, message), // the SDK tells a page at every start
      warn: (message, meta) => logger.warn(meta ?? {}, message),
      error: (message, meta) => logger.error(meta ?? {}, message),
    },
    telemetryOptions: { logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} } },
    shutdownSignals: [], // the process decides in which order things stop
  });
}
