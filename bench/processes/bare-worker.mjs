/** What ours is held against: the SDK, the same settings, activities that do nothing but return as many bytes. */
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { WORKER_TUNING } from '../../dist/worker.js';

Runtime.install({
  shutdownSignals: [],
  logger: { log() {}, trace() {}, debug() {}, info() {}, warn: console.error, error: console.error },
  telemetryOptions: { logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} } },
});
const { TEMPORAL_ADDRESS: address, BENCH_TASK_QUEUE: taskQueue, BENCH_BUNDLE: codePath } = process.env;
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  ...WORKER_TUNING,
  connection,
  taskQueue,
  workflowBundle: { codePath },
  activities: { bare: async (_input, resultBytes) => 'x'.repeat(resultBytes) },
});
const done = worker.run();
process.once('SIGTERM', () => worker.shutdown());
process.once('disconnect', () => process.exit(1)); // the bench is gone
process.send({ polling: true });
await done;
await connection.close();
process.exit(0);
