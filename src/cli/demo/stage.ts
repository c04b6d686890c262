import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectClient, loadConnectionConfig, SlipwayClient } from '../../client/index.js';
import { instanceWorkflowId, watchWorkflowId } from '../../domain/ids.js';
import { DEFAULT_ACCOUNT, type Simcloud, startSimcloud } from '../../simcloud/index.js';
import { makeSshKeyPair } from '../../ssh-key-pair.js';
import { startDevServer } from '../../temporal/dev-server.js';
import { say } from '../terminal.js';
import { prepareServer } from '../worker-process.js';
import { WorkerChild } from './worker-child.js';

/** Quick, and slow enough that every phase is seen, in ms. */
const TIMING = { bootMs: 800, sshDelayMs: 200, stopMs: 400, startMs: 400, terminateMs: 300 };
const POLL_MS = 200;

/** All that the scenes play on. */
export interface Stage {
  address: string;
  client: SlipwayClient;
  cloud: Simcloud;
  worker: WorkerChild;
  cloudCredRefId: string;
  /** The instance's user: the key that logs in. */
  user: { publicKey: string; privateKey: string };
  /** Makes refIds of our own on a server that others use too. */
  refId(name: string): string;
}

type OnClose = (undo: () => Promise<unknown>) => void;
type OnCrash = (error: Error) => void;

/** Sets everything up, with files and logs in `folder`; `onClose` gets what is to be undone, newest last. */
export async function setStage(folder: string, onClose: OnClose, onCrash: OnCrash): Promise<Stage> {
  const run = randomBytes(3).toString('hex');
  const taskQueue = `slipway-demo-${run}`;
  const cloudCredRefId = `sim-${run}`;

  const cloud = await startSimcloud({ timing: TIMING });
  onClose(() => cloud.stop());
  const named = loadConnectionConfig();
  const server = named.explicit ? { ...named, env: process.env } : await embedded(folder, onClose, onCrash);
  await prepareServer(server);

  const apiUrl = `${cloud.url}/sim/v1`;
  const sim = { cloudCredRefId, provider: 'sim', apiUrl, apiKey: DEFAULT_ACCOUNT.apiKey, pollIntervalMs: POLL_MS };
  const { files, user } = await writeFiles(folder, sim);
  const env = { ...server.env, SLIPWAY_TASK_QUEUE: taskQueue, SLIPWAY_LOG_LEVEL: 'info', ...files };
  const worker = new WorkerChild(env, join(folder, 'worker.log'), onCrash);
  onClose(() => worker.stop());
  await worker.start();

  const temporal = await connectClient(server);
  onClose(() => temporal.connection.close());
  const refIds: string[] = [];
  const refId = (name: string) => {
    refIds.push(`${name}-${run}`);
    return `${name}-${run}`;
  };
  // On the user's own server nothing of ours stays open: no worker would ever come to it.
  const ids = () => [...refIds.map(instanceWorkflowId), watchWorkflowId(cloudCredRefId)];
  const end = (id: string) =>
    temporal.workflow
      .getHandle(id)
      .terminate('the demo is over')
      .catch(() => undefined);
  if (named.explicit) onClose(() => Promise.all(ids().map(end)));
  const client = new SlipwayClient({ client: temporal, taskQueue });
  const { address } = server.connectionOptions;
  return { address, client, cloud, worker, cloudCredRefId, user, refId };
}

async function embedded(folder: string, onClose: OnClose, onCrash: OnCrash) {
  const server = await startDevServer({ logFile: join(folder, 'temporal.log'), report: say });
  let isOver = false;
  void server.exited.then(() => isOver || onCrash(new Error('The Temporal dev server ended by itself.')));
  onClose(async () => {
    isOver = true;
    await server.stop();
  });
  const { address, namespace } = server;
  const env = { ...process.env, TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace };
  return { connectionOptions: { address }, namespace, env };
}

async function writeFiles(folder: string, credential: Record<string, unknown>) {
  const workerKey = makeSshKeyPair('ed25519', 'slipway-worker');
  const at = (name: string) => join(folder, name);
  await writeFile(at('worker_ed25519'), workerKey.privateKey, { mode: 0o600 });
  await writeFile(at('ssh-keys.json'), JSON.stringify({ default: 'worker_ed25519' }));
  await writeFile(at('credentials.json'), JSON.stringify([credential]), { mode: 0o600 });
  return {
    files: {
      SLIPWAY_CREDENTIALS: at('credentials.json'),
      SLIPWAY_SSH_KEYS: at('ssh-keys.json'),
      SLIPWAY_JOURNAL_URL: at('journal.db'),
    },
    user: makeSshKeyPair('ed25519', 'ann@demo'),
  };
}
