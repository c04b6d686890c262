import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { AdapterDeps } from '../adapters/adapter-module.js';
import { secretsOf } from '../adapters/adapter-module.js';
import type { CredentialConfig } from '../adapters/credential.js';
import { createProviders, findAdapter, getProvider } from '../adapters/registry.js';
import type { CloudCredRefId } from '../domain/ids.js';
import type { Provider } from '../domain/provider.js';
import { jsonEscaped, PEM } from './planted.js';

/** The account that is tried: clients for it, each with a memory of its own, as a worker's after a restart. */
export interface Account {
  cloudCredRefId: CloudCredRefId;
  /** The adapter's id. */
  provider: string;
  open(deps?: AdapterDeps): Provider;
  /** A client whose secrets the vendor does not know; absent where there are none. */
  openStranger?(): Provider;
  /** What must be seen nowhere. */
  secrets: readonly string[];
}

export function accountOf(credential: CredentialConfig, base: AdapterDeps = {}): Account {
  const { cloudCredRefId, provider } = credential;
  const adapter = findAdapter(provider);
  const open = (config: CredentialConfig, deps: AdapterDeps = {}): Provider =>
    getProvider(createProviders({ credentials: [config] }, { ...base, ...deps }), cloudCredRefId);
  const names = (adapter?.secretFields ?? []).filter((name) => typeof credential[name] === 'string');
  const wrong = Object.fromEntries(names.map((name) => [name, likeIt(String(credential[name]))]));
  return {
    cloudCredRefId,
    provider,
    open: (deps) => open(credential, deps),
    ...(names.length > 0 && { openStranger: () => open({ ...credential, ...wrong }) }),
    secrets: adapter ? secretsOf(adapter, credential) : [],
  };
}

/** Another secret of the same form, so that it is the vendor who refuses it and not a parser of ours. */
function likeIt(secret: string): string {
  if (PEM.test(secret))
    return secret.replace(PEM, (key) => (key.includes('\\n') ? jsonEscaped(otherKey()) : otherKey()));
  const random = randomBytes(secret.length);
  const other = (set: string, index: number): string => set[(random[index] ?? 0) % set.length] ?? '';
  return [...secret]
    .map((letter, index) => {
      if (/\d/.test(letter)) return other('0123456789', index);
      if (/[a-z]/.test(letter)) return other('abcdef', index);
      return /[A-Z]/.test(letter) ? other('ABCDEF', index) : letter;
    })
    .join('');
}

function otherKey(): string {
  const privateKeyEncoding = { type: 'pkcs8', format: 'pem' } as const;
  const publicKeyEncoding = { type: 'spki', format: 'pem' } as const;
  return generateKeyPairSync('rsa', { modulusLength: 2048, privateKeyEncoding, publicKeyEncoding }).privateKey.trim();
}
