/**
 * A worker in a process of its own, so that a test can kill it with SIGKILL. Reads SLIPWAY_* and TEMPORAL_ADDRESS.
 * Runs the built code: `npm test` builds it first.
 */
import { loadConfig } from '../../dist/config.js';
import { createLogger } from '../../dist/logging.js';
import { installRuntime, startWorker } from '../../dist/worker.js';

const config = loadConfig(process.env);
const logger = createLogger({ level: config.logLevel, name: 'worker' });
installRuntime(logger);
const address = process.env.TEMPORAL_ADDRESS;
const { SLIPWAY_TEST_STRAY_GRACE_MS: grace, SLIPWAY_TEST_SETTLED_INTERVAL_MS: settled } = process.env;
const watchTiming = { ...(grace && { strayGraceMs: +grace }), ...(settled && { settledIntervalMs: +settled }) };
const worker = await startWorker({ config, connectionOptions: { address }, namespace: 'default', logger, watchTiming });
process.once('SIGTERM', () => worker.stop());
process.stdin.resume().once('close', () => process.exit(1)); // the test is gone
process.stdout.write('polling\n');
await worker.done;
process.exit(0);
