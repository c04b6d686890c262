import { generateKeyPairSync } from 'node:crypto';
import { toResources } from '../../src/simcloud/dialects/nebius-wire.js';
import { type Account, DEFAULT_CATALOG, type Simcloud } from '../../src/simcloud/index.js';

const SERVICE_ACCOUNT = 'serviceaccount-e00test';

/** One pair for a process: they take long to make. */
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** The account, with a service account whose key `serviceAccountKey` is. */
export function withServiceAccount(account: Account): Account {
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  return { ...account, authorizedKeys: [{ kid: 'publickey-e00test', serviceAccountId: SERVICE_ACCOUNT, publicKey }] };
}

/** The same for an account that is there already, as a person does it at the vendor's console. */
export async function authorizeServiceAccount({ url }: Simcloud, apiKey: string): Promise<void> {
  const [key] = withServiceAccount({ apiKey, name: '' }).authorizedKeys ?? [];
  const answer = await fetch(`${url}/nebius/authorized-keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(key),
  });
  if (!answer.ok) throw new Error(`the service account's key is not taken: ${answer.status}`);
}

/** `gpu_1x_a10` → `gpu-a10.1gpu-30vcpu-200gb` */
export function toNebiusType(name: string): string {
  const type = DEFAULT_CATALOG.instanceTypes.find((one) => one.name === name);
  if (!type) throw new Error(`there is no type ${name}`);
  const { platform, preset } = toResources(type);
  return `${platform}.${preset}`;
}

/** A key file as Nebius' tools write it. `stranger`: of a pair whose public half nobody has. */
export function serviceAccountKey(whose: 'ours' | 'stranger' = 'ours'): string {
  const { privateKey } = whose === 'ours' ? pair : stranger;
  return JSON.stringify({
    'subject-credentials': {
      type: 'JWT',
      alg: 'RS256',
      'private-key': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      kid: 'publickey-e00test',
      iss: SERVICE_ACCOUNT,
      sub: SERVICE_ACCOUNT,
    },
  });
}

/** Every method that the dialect answers: `nebius.compute.v1.InstanceService/Get`. */
export async function nebiusMethods(): Promise<string[]> {
  const { nebiusDialect } = await import('../../src/simcloud/dialects/nebius.js');
  // Nothing of the cloud is touched before a call comes.
  return Object.keys(nebiusDialect.methods?.({} as never) ?? {}).map((path) => path.slice(1));
}
