import { loadConfig } from '../config.js';
import { type HealthServer, STARTING, serveHealth } from '../health.js';
import { createLogger } from '../logging.js';
import { connectClient } from '../temporal/connection.js';
import { ensureSearchAttributes } from '../temporal/search-attributes.js';
import { installRuntime, type RunningWorker, startWorker } from '../worker.js';
import type { Server } from './server.js';
import { untilAskedToStop } from './signals.js';

/** This process as a worker, from its configuration to its orderly end. */
export async function runWorker(server: Server, env: NodeJS.ProcessEnv): Promise<void> {
  const config = loadConfig(env);
  const asked = untilAskedToStop();
  const logger = createLogger({ level: config.logLevel, name: 'worker' });
  installRuntime(logger);
  let worker: RunningWorker | undefined;
  let health: HealthServer | undefined;
  if (config.healthAddress) {
    health = await serveHealth(config.healthAddress, async () => (await worker?.health()) ?? STARTING);
    logger.info({ ...health.address }, 'Health is answered');
  }
  await prepareServer(server);
  const { connectionOptions, namespace } = server;
  worker = await startWorker({ config, connectionOptions, namespace, logger });
  const signal = await Promise.race([asked, worker.done]);
  if (signal) logger.info({ signal }, 'Worker was asked to stop');
  await worker.stop();
  await health?.close();
  logger.info('Worker has stopped');
}

/** A server that nobody prepared gets our search attributes: without them the first instance would stand still. */
export async function prepareServer(server: Pick<Server, 'connectionOptions' | 'namespace'>): Promise<void> {
  const { connection } = await connectClient(server);
  try {
    await ensureSearchAttributes(connection, server.namespace);
  } finally {
    await connection.close();
  }
}
