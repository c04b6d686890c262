/** Replays one history many times with one bundle, and tells what CPU each took: all threads of this process. */
import { readFile } from 'node:fs/promises';
import { Runtime, Worker } from '@temporalio/worker';

const ignore = () => undefined;
Runtime.install({
  logger: { log: ignore, trace: ignore, debug: ignore, info: ignore, warn: ignore, error: console.error },
  telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' }, forward: {} } },
});
const { BENCH_BUNDLE: codePath, BENCH_HISTORY: file, BENCH_WARM_UP: warmUp, BENCH_REPLAYS: replays } = process.env;
const history = JSON.parse(await readFile(file, 'utf8'));
const total = Number(warmUp) + Number(replays);

function* histories() {
  for (let index = 0; index < total; index++) yield { workflowId: `instance/start-${index}`, history };
}

let replayed = 0;
let before = process.cpuUsage();
for await (const { error } of Worker.runReplayHistories({ workflowBundle: { codePath } }, histories())) {
  if (error) throw error;
  replayed += 1;
  if (replayed === Number(warmUp)) before = process.cpuUsage();
}
const { user, system } = process.cpuUsage(before);
process.send({ cpuMsPerStart: (user + system) / 1_000 / Number(replays) });
process.disconnect();
