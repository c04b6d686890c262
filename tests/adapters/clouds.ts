import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import ssh2 from 'ssh2';
import { afterEach } from 'vitest';
import type { CredentialConfig } from '../../src/adapters/credential.js';
import { createProviders, getProvider } from '../../src/adapters/registry.js';
import { attemptKey } from '../../src/domain/ids.js';
import { type CreateInstanceAttrs, IDENTITY_TAGS, type Provider } from '../../src/domain/provider.js';
import { type Simcloud, type SimcloudOptions, startSimcloud } from '../../src/simcloud/index.js';

/** Slow enough that nothing happens unless a test steps the cloud's clock. */
const STEPPED = {
  bootMs: 60_000,
  sshDelayMs: 60_000,
  stopMs: 60_000,
  startMs: 60_000,
  rebootMs: 60_000,
  terminateMs: 60_000,
  forgetAfterMs: 600_000,
};
/** One step: whatever was under way is done. */
export const STEP_MS = 60_000;

export const API_KEY = 'planted-api-key-7f3a';
export const PUBLIC_KEY = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256, comment: 'ann@host' }).public;

const open: Simcloud[] = [];

/** A cloud of its own for one test, stopped after it; listings have two machines a page. */
export async function cloudWith(options: SimcloudOptions = {}): Promise<Simcloud> {
  const cloud = await startSimcloud({
    accounts: [{ apiKey: API_KEY, name: 'default' }],
    pageSize: 2,
    ...options,
    timing: { ...STEPPED, ...options.timing },
  });
  open.push(cloud);
  return cloud;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((cloud) => cloud.stop()));
});

export function openProvider(credential: CredentialConfig, fetchInstead?: typeof fetch): Provider {
  const providers = createProviders({ credentials: [credential] }, { fetch: fetchInstead });
  return getProvider(providers, credential.cloudCredRefId);
}

export interface Place {
  location: string;
  subLocation?: string;
  instanceType: string;
}

export function attrsFor(
  refId: string,
  change: Partial<CreateInstanceAttrs> & Place & { cloudCredRefId: string },
): CreateInstanceAttrs {
  return {
    refId,
    attemptKey: attemptKey(refId, 1),
    name: `name-of-${refId}`,
    publicKeys: [PUBLIC_KEY],
    tags: { team: 'a' },
    firewallRules: { ingressRules: [], egressRules: [] },
    ...change,
  };
}

/** A machine that somebody else made in the same account, behind the adapter's back. @returns its cloudId. */
export async function foreignMachine(cloud: Simcloud, place: Place, tags: Record<string, string>): Promise<string> {
  const { location, instanceType } = place;
  const response = await fetch(`${cloud.url}/sim/v1/instances`, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'foreign', location, instanceType, publicKeys: [PUBLIC_KEY], tags }),
  });
  const { instance } = (await response.json()) as { instance: { id: string } };
  return instance.id;
}

export function identityTags(refId: string, cloudCredRefId: string, attemptKey?: string): Record<string, string> {
  const { refId: refIdTag, cloudCredRefId: credentialTag, attemptKey: attemptTag } = IDENTITY_TAGS;
  return { [refIdTag]: refId, [credentialTag]: cloudCredRefId, ...(attemptKey && { [attemptTag]: attemptKey }) };
}

/** Never aborts. */
export const calm = new AbortController().signal;

/** Nobody listens there: the port was free a moment ago. (Port 1 will not do: `fetch` refuses it by itself.) */
export async function closedUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}
