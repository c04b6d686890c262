/** A simulated cloud in a process of its own: what it costs must not be charged to the worker. Runs the built code. */
import { startSimcloud } from '../../dist/simcloud/index.js';

const cloud = await startSimcloud(JSON.parse(process.env.BENCH_SIMCLOUD ?? '{}'));
process.once('SIGTERM', async () => {
  await cloud.stop();
  process.exit(0);
});
process.once('disconnect', () => process.exit(1)); // the bench is gone
process.send({ url: cloud.url });
