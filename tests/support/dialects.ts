import { TAG as LAMBDA_TAG } from '../../src/adapters/lambda-labs/identity.js';
import { createProviders, getProvider } from '../../src/adapters/registry.js';
import type { Capability } from '../../src/domain/provider.js';
import { accessKeyIdOf, NEBIUS_TENANT, type Simcloud } from '../../src/simcloud/index.js';
import { authorizeServiceAccount, serviceAccountKey, toNebiusType } from './nebius.js';
import { sshPortHere } from './vendor-ssh.js';

/** How one provider is reached in a simulated cloud, as chaos and conformance need it. */
export interface VendorDialect {
  /** Fields of its credential besides the name; as fast as it goes, since limits have tests of their own. */
  credential(cloud: Simcloud, apiKey: string): Record<string, unknown>;
  /** The tag in which its machines carry the refId. */
  refIdTag: string;
  /** Its name for one of simcloud’s types. */
  toType(name: string): string;
  /** What an account of its own must have before anybody rents in it. */
  prepare?(cloud: Simcloud, apiKey: string): Promise<void>;
}

const sshPort = await sshPortHere();
const same = (name: string): string => name;

/** Every provider that simcloud speaks for: a new one is an entry here. */
export const DIALECTS: Readonly<Record<string, VendorDialect>> = {
  sim: {
    credential: ({ url }, apiKey) => ({ apiUrl: `${url}/sim/v1`, apiKey }),
    refIdTag: 'refId',
    toType: same,
  },
  'lambda-labs': {
    credential: ({ url }, apiKey) => {
      const limits = { requestsPerSecond: 10_000, createsPerMinute: 600_000 };
      return { apiUrl: `${url}/lambda-labs/api/v1`, apiKey, sshPort, ...limits };
    },
    refIdTag: LAMBDA_TAG.refId,
    toType: same,
    // What the account’s own firewall keeps out no machine can let in: a new one lets in SSH and ping.
    prepare: async ({ url }, apiKey) => {
      const everything = { protocol: 'tcp', port_range: [1, 65_535], source_network: '0.0.0.0/0', description: 'all' };
      const answer = await fetch(`${url}/lambda-labs/api/v1/firewall-rules`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ data: [everything] }),
      });
      if (!answer.ok) throw new Error(`the account’s firewall cannot be opened: ${answer.status}`);
    },
  },
  shadeform: {
    credential: ({ url }, apiKey) => ({ apiUrl: `${url}/shadeform/v1`, apiKey, createsPerMinute: 600_000 }),
    refIdTag: 'refId',
    toType: (name) => `simcloud_${name}`,
  },
  nebius: {
    credential: ({ url }) => {
      const serviceAccount = { serviceAccountKey: serviceAccountKey(), tenantId: NEBIUS_TENANT };
      return { apiUrl: url, ...serviceAccount, sshPort, createsPerMinute: 600_000, acceptMs: 1_000 };
    },
    refIdTag: 'refId',
    toType: toNebiusType,
    prepare: authorizeServiceAccount,
  },
  aws: {
    credential: ({ url }, apiKey) => {
      const limits = { requestsPerSecond: 10_000, createsPerMinute: 600_000 };
      const keys = { accessKeyId: accessKeyIdOf(apiKey), secretAccessKey: apiKey };
      const regions = ['us-west-1', 'us-east-1', 'eu-north-1'];
      return { apiUrl: `${url}/aws`, ...keys, regions, sshPort, ...limits };
    },
    refIdTag: 'refId',
    toType: same,
  },
};

export function dialectOf(provider: string): VendorDialect {
  const dialect = Object.hasOwn(DIALECTS, provider) ? DIALECTS[provider] : undefined;
  if (!dialect) throw new Error(`no dialect ${provider}; there are ${Object.keys(DIALECTS).join(', ')}`);
  return dialect;
}

/** What its adapter says that it can do. */
export function capabilitiesOf(provider: string): readonly Capability[] {
  const nowhere = { url: 'http://127.0.0.1:9' } as Simcloud;
  const credential = { cloudCredRefId: 'any', provider, ...dialectOf(provider).credential(nowhere, 'no-key-at-all') };
  return getProvider(createProviders({ credentials: [credential] }), 'any').capabilities;
}
