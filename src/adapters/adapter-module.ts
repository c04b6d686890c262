import type { z } from 'zod';
import type { Provider } from '../domain/provider.js';
import type { Logger } from '../logging.js';
import { registerSecrets } from '../redact.js';
import { type CredentialConfig, credentialIssues } from './credential.js';

/** What adapters get from outside. All optional: without them they use the real thing, and say nothing. */
export interface AdapterDeps {
  fetch?: typeof fetch;
  /** Every call at level debug. */
  logger?: Logger;
  /**
   * Called once the answer to a create is there, before the adapter has read it. What it throws stands for a connection
   * that broke at that moment: the machine may exist, and the outcome is `unknown`. How conformance loses an answer,
   * whatever the vendor's wire; every adapter passes it to its client.
   */
  onCreateAnswered?: () => void;
}

/** One provider, as the registry and config see it. */
export interface AdapterModule {
  /** As credentials name it: `sim`. */
  id: string;
  credentialSchema: z.ZodType;
  /** Top-level fields that must never be seen. */
  secretFields: readonly string[];
  /** @throws {TypeError} naming what is wrong with the credential. */
  create(credential: CredentialConfig, deps: AdapterDeps): Provider;
}

/** Ties an adapter's credential schema to its constructor, so that neither casts. */
export function defineAdapter<Schema extends z.ZodType>(adapter: {
  id: string;
  credentialSchema: Schema;
  secretFields: readonly (keyof z.output<Schema> & string)[];
  create(credential: z.output<Schema>, deps: AdapterDeps): Provider;
}): AdapterModule {
  return {
    ...adapter,
    create(credential, deps) {
      registerSecrets(secretsOf(adapter, credential));
      const [issue] = credentialIssues(adapter.credentialSchema, credential);
      if (issue) throw new TypeError(`credential ${credential.cloudCredRefId}: ${issue.path} ${issue.message}`);
      return adapter.create(adapter.credentialSchema.parse(credential), deps);
    },
  };
}

export function secretsOf(
  { secretFields }: Pick<AdapterModule, 'secretFields'>,
  credential: CredentialConfig,
): string[] {
  return secretFields.map((field) => credential[field]).filter((value) => typeof value === 'string');
}
