/** Our worker, as `slipway worker` runs it, from the built code. Reads SLIPWAY_* and TEMPORAL_ADDRESS. */
import { Runtime } from '@temporalio/worker';
import { loadConfig } from '../../dist/config.js';
import { createLogger } from '../../dist/logging.js';
import { installRuntime, startWorker } from '../../dist/worker.js';

const config = loadConfig(process.env);
const logger = createLogger({ level: config.logLevel, name: 'worker' });
const { BENCH_METRICS: bindAddress } = process.env;
if (bindAddress) {
  const ignore = () => undefined;
  Runtime.install({
    shutdownSignals: [],
    logger: { log: ignore, trace: ignore, debug: ignore, info: ignore, warn: ignore, error: console.error },
    telemetryOptions: {
      logging: { filter: { core: 'ERROR', other: 'ERROR' }, forward: {} },
      metrics: { prometheus: { bindAddress } },
    },
  });
} else installRuntime(logger);
const connectionOptions = { address: process.env.TEMPORAL_ADDRESS };
const worker = await startWorker({ config, connectionOptions, namespace: 'default', logger });
process.once('SIGTERM', () => worker.stop());
process.once('disconnect', () => process.exit(1)); // the bench is gone
process.send({ polling: true });
await worker.done;
process.exit(0);
