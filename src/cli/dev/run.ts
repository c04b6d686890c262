import { relative } from 'node:path';
import getPort from 'get-port';
import { destination } from 'pino';
import { loadConfig } from '../../config.js';
import { createLogger } from '../../logging.js';
import { DEFAULT_ACCOUNT, startSimcloud } from '../../simcloud/index.js';
import { startDevServer } from '../../temporal/dev-server.js';
import { withFileLock } from '../../temporal/file-lock.js';
import { installRuntime, startWorker } from '../../worker.js';
import { BadInput } from '../failure.js';
import { untilAskedToStop } from '../signals.js';
import { print, say } from '../terminal.js';
import { workerEnvironment } from './environment.js';
import { makeFiles, writeCredentials, writeDevState } from './files.js';
import { type DevHome, type DevState, devHome, readDevState } from './home.js';
import { welcome } from './welcome.js';

const HOST = '127.0.0.1';
const TASK_QUEUE = 'slipway';
/** Slow enough to be watched, in ms: a real machine takes minutes. */
const TIMING = { bootMs: 3_000, sshDelayMs: 800, stopMs: 1_500, startMs: 2_000, rebootMs: 2_000, terminateMs: 1_500 };

/** Runs Temporal, the simulated cloud and a worker in this folder, one `dev` at a time, until it is asked to stop. */
export async function runDev(cwd: string): Promise<void> {
  const home = devHome(cwd);
  const refuse = ({ pid }: { pid: number }) => {
    const at = readDevState(home);
    throw new BadInput(`A slipway dev runs in this folder already (process ${pid}${at ? `, UI ${at.ui}` : ''}).`);
  };
  await withFileLock(home.lock, { waitMs: Number.POSITIVE_INFINITY, onWait: refuse }, () => runAlone(home, cwd));
}

async function runAlone(home: DevHome, cwd: string): Promise<void> {
  const asked = untilAskedToStop();
  const stops: (() => Promise<void>)[] = [];
  const earlier = readDevState(home);
  await makeFiles(home);
  try {
    say('Starting a Temporal dev server …');
    const server = await startDevServer({
      dbFile: home.temporalDb,
      logFile: home.temporalLog,
      ui: true,
      port: await portLike(earlier?.address),
      uiPort: await portLike(earlier?.ui),
      report: say,
    });
    stops.unshift(server.stop);

    const cloud = await startSimcloud({
      port: await portLike(earlier?.simcloud),
      dataFile: home.simcloudData,
      timing: TIMING,
    });
    stops.unshift(cloud.stop);
    await writeCredentials(home, cloud.url, DEFAULT_ACCOUNT.apiKey);

    const env: NodeJS.ProcessEnv = { ...workerEnvironment(process.env, cwd), SLIPWAY_TASK_QUEUE: TASK_QUEUE };
    const journal = env.SLIPWAY_JOURNAL_URL?.trim() || home.journal; // its folder may have come to be just now
    const files = { SLIPWAY_CREDENTIALS: home.credentials, SLIPWAY_SSH_KEYS: home.sshKeys };
    const config = loadConfig({ ...env, ...files, SLIPWAY_JOURNAL_URL: journal });
    const logger = createLogger({ level: config.logLevel, name: 'worker', destination: destination(home.workerLog) });
    installRuntime(logger);
    const { address, namespace, uiAddress = '' } = server;
    const worker = await startWorker({ config, connectionOptions: { address }, namespace, logger });
    stops.unshift(worker.stop);

    const ui = `${uiAddress}/namespaces/${namespace}/workflows`;
    const running = { pid: process.pid, address, namespace, taskQueue: TASK_QUEUE, ui, simcloud: cloud.url };
    const state: DevState = { ...running, startedAt: new Date().toISOString() };
    await writeDevState(home, state);
    print(welcome(state, relative(cwd, home.folder), earlier !== undefined));

    await Promise.race([asked, worker.done, server.exited.then(() => crashed(home.temporalLog))]);
    say('Stopping …');
  } finally {
    for (const stop of stops) await stop();
  }
}

function crashed(log: string): never {
  throw new Error(`The Temporal dev server ended by itself. Its log: ${log}`);
}

/** The port of before, so that bookmarks and other people's settings still hold; another if it is taken. */
async function portLike(address: string | undefined): Promise<number> {
  const port = Number(/:(\d+)/.exec(address?.replace(/^https?:/, '') ?? '')?.[1]);
  return await getPort({ host: HOST, ...(port > 0 && { port }) });
}
