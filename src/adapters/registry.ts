import { ProviderError } from '../domain/errors.js';
import type { CloudCredRefId } from '../domain/ids.js';
import type { Provider } from '../domain/provider.js';
import type { AdapterDeps, AdapterModule } from './adapter-module.js';
import { awsAdapter } from './aws/index.js';
import { asSeenFrom, findBastions } from './bastion.js';
import type { CredentialConfig } from './credential.js';
import { lambdaLabsAdapter } from './lambda-labs/index.js';
import { nebiusAdapter } from './nebius/index.js';
import { netnsAdapter } from './netns/index.js';
import { shadeformAdapter } from './shadeform/index.js';
import { simAdapter } from './sim/index.js';

/** Every provider we speak to. A new one is a folder next to this file, and a line here. */
export const ADAPTERS: readonly AdapterModule[] = [
  simAdapter,
  lambdaLabsAdapter,
  shadeformAdapter,
  nebiusAdapter,
  awsAdapter,
  netnsAdapter,
];

export function findAdapter(id: string): AdapterModule | undefined {
  return ADAPTERS.find((adapter) => adapter.id === id);
}

/** One client per credential, kept for the life of the worker: rate limits and tokens live in it. */
export function createProviders(
  { credentials }: { credentials: readonly CredentialConfig[] },
  deps: AdapterDeps = {},
): Map<CloudCredRefId, Provider> {
  return new Map(
    credentials.map((credential) => {
      const adapter = findAdapter(credential.provider);
      if (!adapter)
        throw new TypeError(`credential ${credential.cloudCredRefId}: ${unknownProvider(credential.provider)}`);
      const provider = adapter.create(credential, deps);
      const bastion = findBastions([credential]).get(credential.cloudCredRefId);
      return [credential.cloudCredRefId, bastion ? asSeenFrom(bastion, provider) : provider];
    }),
  );
}

export function unknownProvider(id: string): string {
  return `unknown provider ${JSON.stringify(id)}; known are ${ADAPTERS.map((adapter) => adapter.id).join(', ')}`;
}

/** @throws {ProviderError} InvalidRequest, naming what is configured: the offer asks for an account we do not have. */
export function getProvider(
  providers: ReadonlyMap<CloudCredRefId, Provider>,
  cloudCredRefId: CloudCredRefId,
): Provider {
  const provider = providers.get(cloudCredRefId);
  if (provider) return provider;
  const configured = [...providers.keys()].sort().join(', ') || 'none';
  throw new ProviderError({
    kind: 'InvalidRequest',
    message: `No credential ${cloudCredRefId} is configured for this worker; there is ${configured}.`,
  });
}
