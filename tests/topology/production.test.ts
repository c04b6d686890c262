import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import getPort from 'get-port';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SlipwayClient } from '../../src/client/client.js';
import type { InstanceRequestInput } from '../../src/domain/instance/index.js';
import { openJournal } from '../../src/journal/index.js';
import { type Control, createControlClient } from '../../src/simcloud/index.js';
import { userKey } from '../support/slipway.js';
import { Topology } from './processes.js';
import { serverBinaries, whyNoServerBinaries } from './server-binaries.js';

/** On a busy machine, and the first time with a build by Go. */
const PATIENT = { timeout: 600_000 };
const BUILD_MS = 20 * 60_000;
const WAIT = { timeout: 180_000, interval: 250 };
const INSTANCES = 24;
const CREDENTIAL = 'sim-production';
const WORKERS = ['worker-1', 'worker-2'];

/** Loopback addresses of our own are Linux's; the rest could be built elsewhere too. */
const reason = process.platform === 'linux' ? await whyNoServerBinaries() : 'needs loopback addresses beyond 127.0.0.1';
if (reason) console.warn(`tests/topology is skipped: ${reason}`);

describe.skipIf(reason)('what docker-compose.yml says, run as processes', PATIENT, () => {
  let topology: Topology;
  let connection: Connection;
  let client: SlipwayClient;
  let control: Control;
  const requests = Array.from({ length: INSTANCES }, (_, index) => requestOf(`i${index}`));

  beforeAll(async () => {
    const binaries = await serverBinaries((line) => console.error(line));
    // Simcloud listens on loopback, as it does in its container, whose network its worker shares.
    const port = String(await getPort());
    topology = await Topology.open({
      binaries,
      variables: (folder) => ({
        POSTGRES_PASSWORD: randomUUID(),
        SLIPWAY_SECRETS: join(folder, 'secrets'),
        SIMCLOUD_PORT: port,
      }),
    });
    await topology.up('simcloud');
    await topology.whenHealthy('simcloud');
    control = createControlClient(`http://127.0.0.1:${port}`);
    await writeSecrets(topology);
    await topology.up(...WORKERS);
    await Promise.all(WORKERS.map((worker) => topology.whenHealthy(worker)));
    connection = await Connection.connect({ address: topology.temporalAddress });
    client = new SlipwayClient({ client: new Client({ connection, namespace: 'slipway' }), taskQueue: 'slipway' });
  }, BUILD_MS);

  afterAll(async () => {
    await connection?.close();
    await topology?.close();
  }, 120_000);

  it('loses nothing when a worker is killed and PostgreSQL restarts in the middle of provisions', async () => {
    // Boots outlast what is done to them.
    await control.addFault({ operation: 'create', kind: 'slow-boot', delayMs: 8_000, times: 'always' });
    const [early, late] = [requests.slice(0, INSTANCES / 2), requests.slice(INSTANCES / 2)];
    await Promise.all(early.map((request) => client.provision(request)));
    await vi.waitFor(async () => expect((await control.report()).created).toBeGreaterThan(3), WAIT);

    const before = topology.pid('worker-1');
    topology.kill('worker-1');
    await Promise.all(late.map((request) => client.provision(request)));
    const phases = await Promise.all(requests.map(async ({ refId }) => (await client.describe(refId)).phase));
    expect(phases.filter((phase) => phase !== 'ready').length).toBeGreaterThan(0);
    await topology.stopPostgres();
    // Its health check notices that Temporal cannot answer it any more, and that it can again.
    await vi.waitFor(async () => expect(await topology.isHealthy('worker-2')).toBe(false), WAIT);
    await topology.startPostgres();
    await Promise.all(WORKERS.map((worker) => topology.whenHealthy(worker)));
    expect(topology.pid('worker-1')).not.toBe(before);

    const refIds = requests.map(({ refId }) => refId);
    await Promise.all(refIds.map((refId) => client.waitFor(refId, 'ready', { timeoutMs: WAIT.timeout })));
    await control.removeFaults();
    const machines = (await control.ledger()).map(({ tags }) => tags.refId);
    expect(machines.sort()).toEqual([...refIds].sort());

    await Promise.all(refIds.map((refId) => client.terminate(refId, { requestId: randomUUID(), actor: 'test' })));
    await Promise.all(refIds.map((refId) => client.waitFor(refId, 'terminated', { timeoutMs: WAIT.timeout })));
    expect(await control.report()).toMatchObject({ created: INSTANCES, doubled: 0, running: 0, leaked: 0 });
  });

  it('has a journal that holds every fact of every workflow', async () => {
    const journal = await openJournal(topology.service('worker-1').environment.SLIPWAY_JOURNAL_URL ?? '');
    try {
      for (const { refId } of requests) {
        const { events } = await client.events(refId);
        expect((await journal.read(refId)).map(({ event }) => event)).toEqual(events);
      }
      expect(await journal.verify()).toMatchObject({ differences: [] });
    } finally {
      await journal.close();
    }
    // As an operator asks: `docker compose exec worker-1 node dist/cli/main.js journal verify --workflows`.
    await topology.run('worker-1', 'journal', 'verify', '--workflows');
  });

  it('has jobs that may run again', async () => {
    for (const job of ['temporal-schema', 'namespace', 'journal-schema']) await topology.run(job);
    expect(await topology.run('namespace')).toContain('slipway is there');
  });

  it('has a demo, which takes an instance of its simulated cloud to ready', async () => {
    await topology.up('demo');
    expect(await topology.log('demo')).toMatch(/^Ready: ssh /m);
  });

  it('has workers that stop in order within the grace, when they are asked to', async () => {
    for (const worker of WORKERS) expect(await topology.stop(worker)).toEqual({ code: 0, signal: undefined });
  });
});

function requestOf(name: string): InstanceRequestInput {
  const offer = { cloudCredRefId: CREDENTIAL, location: 'us-west-1', instanceType: 'gpu_1x_a10' };
  const refId = `${name}-${randomUUID().slice(0, 8)}`;
  return { refId, name, publicKey: userKey.publicKey, offers: [offer, { ...offer, location: 'us-east-1' }] };
}

/** The files of production's workers: the same cloud as the demo's, as an account of another name. */
async function writeSecrets({ folder }: Topology): Promise<void> {
  const secrets = join(folder, 'secrets');
  await mkdir(secrets);
  const demo = (name: string) => join(folder, 'volumes', 'demo', name);
  const [credential] = JSON.parse(await readFile(demo('credentials.json'), 'utf8'));
  const own = [{ ...credential, cloudCredRefId: CREDENTIAL, pollIntervalMs: 200 }];
  await writeFile(join(secrets, 'credentials.json'), JSON.stringify(own));
  for (const name of ['ssh-keys.json', 'worker_ed25519']) await copyFile(demo(name), join(secrets, name));
}
