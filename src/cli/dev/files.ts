import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { makeSshKeyPair } from '../../ssh-key-pair.js';
import { readJsonFile } from '../json-file.js';
import type { DevHome, DevState } from './home.js';

export const DEV_CREDENTIAL = 'sim-main';

/** What is made once and then belongs to the user: two key pairs, and a request to try. */
export async function makeFiles(home: DevHome): Promise<void> {
  await mkdir(home.folder, { recursive: true });
  await writeKeyPair(home.workerKey, 'slipway-worker');
  const publicKey = await writeKeyPair(home.userKey, 'slipway-dev');
  await writeOnce(home.sshKeys, toJson({ default: basename(home.workerKey) }));
  await writeOnce(home.request, toJson(exampleRequest(publicKey)));
}

function exampleRequest(publicKey: string) {
  const offer = { cloudCredRefId: DEV_CREDENTIAL, location: 'us-west-1', instanceType: 'gpu_1x_a10' };
  return {
    refId: 'trainer-1',
    name: 'trainer-1',
    publicKey,
    offers: [offer, { ...offer, location: 'us-east-1' }],
    firewallRules: { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: ['0.0.0.0/0'] }] },
    tags: { team: 'research' },
  };
}

/** @returns the public key, in OpenSSH form. */
async function writeKeyPair(path: string, comment: string): Promise<string> {
  if (!existsSync(path)) {
    const pair = makeSshKeyPair('ed25519', comment);
    await writeFile(`${path}.pub`, `${pair.publicKey}\n`);
    await writeFile(path, pair.privateKey, { mode: 0o600 });
  }
  return (await readFile(`${path}.pub`, 'utf8')).trim();
}

/** Our credential points at the simulated cloud of today; others in the file are the user's, and stay. */
export async function writeCredentials(home: DevHome, simcloudUrl: string, apiKey: string): Promise<void> {
  const apiUrl = `${simcloudUrl}/sim/v1`;
  const ours = { cloudCredRefId: DEV_CREDENTIAL, provider: 'sim', apiUrl, apiKey };
  const entries: unknown = existsSync(home.credentials) ? await readJsonFile(home.credentials) : [];
  const others = Array.isArray(entries) ? entries.filter((entry) => entry?.cloudCredRefId !== DEV_CREDENTIAL) : [];
  await replace(home.credentials, toJson([ours, ...others]), 0o600);
}

export async function writeDevState(home: DevHome, state: DevState): Promise<void> {
  await replace(home.state, toJson(state));
}

async function writeOnce(path: string, content: string): Promise<void> {
  if (!existsSync(path)) await replace(path, content);
}

/** Whoever reads it meanwhile sees the old file or the new one. */
async function replace(path: string, content: string, mode = 0o644): Promise<void> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, content, { mode });
  await rename(draft, path);
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
