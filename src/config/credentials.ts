import { secretsOf } from '../adapters/adapter-module.js';
import { type CredentialConfig, credentialIssues } from '../adapters/credential.js';
import { findAdapter, unknownProvider } from '../adapters/registry.js';
import { registerSecrets } from '../redact.js';
import { type Env, isFields, type Report, readJson, resolveReferences, type Source } from './source.js';

const VARIABLE = 'SLIPWAY_CREDENTIALS';

/** The accounts, each checked by its provider's own schema. What is wrong is reported, and left out. */
export function readCredentials(env: Env, report: Report): CredentialConfig[] {
  const file = env[VARIABLE]?.trim();
  if (!file) {
    report(VARIABLE, 'is not set: it names a JSON file with an array of { cloudCredRefId, provider, … }');
    return [];
  }
  const source: Source = { env, file, report };
  const entries = readJson(source);
  if (entries === undefined) return [];
  if (!Array.isArray(entries) || entries.length === 0) {
    report(file, 'must be an array with at least one credential');
    return [];
  }
  const takenBy = new Map<string, number>();
  return entries.flatMap((entry, index) => {
    const credential = readCredential(entry, `${file} [${index}]`, source);
    if (!credential) return [];
    const twin = takenBy.get(credential.cloudCredRefId);
    if (twin !== undefined) {
      report(`${file} [${index}].cloudCredRefId`, `${credential.cloudCredRefId} is taken by [${twin}]`);
      return [];
    }
    takenBy.set(credential.cloudCredRefId, index);
    return [credential];
  });
}

function readCredential(entry: unknown, where: string, source: Source): CredentialConfig | undefined {
  if (!isFields(entry)) {
    source.report(where, 'must be an object');
    return undefined;
  }
  const adapter = typeof entry.provider === 'string' ? findAdapter(entry.provider) : undefined;
  if (!adapter) {
    const why = typeof entry.provider === 'string' ? unknownProvider(entry.provider) : 'must name a provider';
    source.report(`${where}.provider`, why);
    return undefined;
  }
  const unresolved = new Set<string>();
  const noting: Source = {
    ...source,
    report: (place, message) => {
      unresolved.add(place);
      source.report(place, message);
    },
  };
  const resolved = resolveReferences(entry, where, noting) as CredentialConfig;
  registerSecrets(secretsOf(adapter, resolved));
  for (const { path, message } of credentialIssues(adapter.credentialSchema, resolved)) {
    // Said already, and better: that the variable is not set.
    if (!unresolved.has(`${where}.${path}`)) source.report(`${where}.${path}`, message);
  }
  return typeof resolved.cloudCredRefId === 'string' ? resolved : undefined;
}
