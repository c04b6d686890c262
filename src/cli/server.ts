import { loadConnectionConfig, type ServerConnectionOptions } from '../temporal/connection.js';
import { findRunningDev } from './dev/home.js';
import { NoServer } from './failure.js';

/** Where Temporal is, and which queue our workers listen on. */
export interface Server {
  connectionOptions: ServerConnectionOptions;
  namespace: string;
  taskQueue: string;
}

const DEFAULT_TASK_QUEUE = 'slipway';

/**
 * The server the user named in Temporal's own configuration; else the `slipway dev` of this folder.
 * @throws {NoServer} when there is neither: a guess would start instances where nobody looks for them.
 */
export function findServer(env: NodeJS.ProcessEnv = process.env, cwd: string = process.cwd()): Server {
  const named = loadConnectionConfig(env);
  const taskQueue = env.SLIPWAY_TASK_QUEUE?.trim() || undefined;
  if (named.explicit) {
    const { connectionOptions, namespace } = named;
    return { connectionOptions, namespace, taskQueue: taskQueue ?? DEFAULT_TASK_QUEUE };
  }
  const dev = findRunningDev(cwd)?.state;
  if (!dev) {
    throw new NoServer(
      'No Temporal server to talk to. Start one here with `slipway dev` (npm run dev), or set TEMPORAL_ADDRESS.',
    );
  }
  return {
    connectionOptions: { address: dev.address },
    namespace: dev.namespace,
    taskQueue: taskQueue ?? dev.taskQueue,
  };
}
