import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import getPort from 'get-port';
import { userCacheDir } from '../../src/temporal/user-cache.js';

/* moto: an EC2 in Python that we did not write. What ours says of EC2, it must not contradict. */

const VERSION = '5.2.5';

/** Where it is: the environment's word, where `tools/ci/install-moto.sh` puts it, or somebody's own on the PATH. */
const found = [
  process.env.SLIPWAY_MOTO_SERVER,
  join(userCacheDir(), 'slipway', `moto-${VERSION}`, 'bin', 'moto_server'),
  ...(process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'moto_server')),
].find((path) => path !== undefined && isProgram(path));

/** Why it cannot run here, for the title of a skipped test; nothing where it can. */
export const motoMissing = found ? undefined : 'needs moto_server: tools/ci/install-moto.sh';

/** The image that moto is started with; it would load 1,300 others. */
export const MOTO_IMAGE = 'ami-0d1c0ffee0d1c0ffe';

const IMAGES = [
  {
    ami_id: MOTO_IMAGE,
    name: 'Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 22.04) 20260302',
    description: '',
    owner_id: '898082745236',
    public: true,
    virtualization_type: 'hvm',
    architecture: 'x86_64',
    state: 'available',
    image_type: 'machine',
    hypervisor: 'xen',
    root_device_name: '/dev/sda1',
    root_device_type: 'ebs',
    sriov: 'simple',
  },
];

/** Resolves when it answers in these regions. */
export async function startMoto(regions: readonly string[]): Promise<{ url: string; stop(): Promise<void> }> {
  if (!found) throw new Error(motoMissing);
  const folder = await mkdtemp(join(tmpdir(), 'slipway-moto-'));
  const images = join(folder, 'images.json');
  await writeFile(images, JSON.stringify(IMAGES));
  const port = await getPort({ host: '127.0.0.1' });
  const url = `http://127.0.0.1:${port}`;
  const env = {
    ...process.env,
    MOTO_AMIS_PATH: images,
    MOTO_ENABLE_AMI_VALIDATION: 'true',
    MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION: 'true',
  };
  const server = spawn(found, ['-H', '127.0.0.1', '-p', String(port)], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const said: string[] = [];
  server.stderr?.on('data', (chunk) => said.push(String(chunk)));
  const stop = async (): Promise<void> => {
    await ended(server);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await answering(url, server);
    // It makes a region with the first call to it: not for several callers at once.
    for (const region of regions) await wake(url, region);
    return { url, stop };
  } catch (error) {
    await stop();
    throw new Error(`moto did not start: ${said.join('').slice(-2_000)}`, { cause: error });
  }
}

async function answering(url: string, server: ChildProcess): Promise<void> {
  for (const until = Date.now() + 60_000; Date.now() < until; ) {
    if (server.exitCode !== null) break;
    const answer = await fetch(`${url}/moto-api/`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`no answer; exit code ${server.exitCode}`);
}

async function wake(url: string, region: string): Promise<void> {
  const scope = `AKIAPLANTEDKEYID0000/20261122/${region}/ec2/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`;
  const body = new URLSearchParams({ Action: 'DescribeInstances', Version: '2016-11-15' });
  const answer = await fetch(url, { method: 'POST', headers: { authorization }, body });
  if (!answer.ok) throw new Error(`${region} answered ${answer.status}`);
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGKILL');
  await gone;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
