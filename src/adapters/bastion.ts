import { z } from 'zod';
import { type CloudCredRefId, isCloudCredRefId } from '../domain/ids.js';
import type { CloudInstance, Provider } from '../domain/provider.js';
import type { CredentialConfig } from './credential.js';

/** The host through which an account's machines are reached. It is the operator's own: its host key is known. */
export const bastionField = z.strictObject({
  /** IPv4, IPv6 (without brackets) or a DNS name. */
  host: z.string().regex(/^[A-Za-z0-9_.:-]{1,253}$/, 'must be an address or a DNS name'),
  port: z.number().int().min(1).max(65_535).default(22),
  user: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, 'must be a user name'),
  /** Which of the worker's keys it takes; without it, the one that the request names. */
  sshKeyRef: z.string().refine(isCloudCredRefId, 'must be the name of an SSH key').optional(),
  hostKey: z
    .string()
    .regex(
      /^[a-z][a-z0-9@.-]{2,63} [A-Za-z0-9+/]{40,}={0,3}$/,
      'must be one line of OpenSSH form: "ssh-ed25519 AAAA…"',
    ),
  /** Which of a machine's addresses the bastion dials. */
  dials: z.enum(['private', 'public']).default('private'),
});

export type BastionConfig = z.output<typeof bastionField>;

/** Which accounts have one. One that is malformed is left out: its credential was refused, or will be. */
export function findBastions(credentials: readonly CredentialConfig[]): Map<CloudCredRefId, BastionConfig> {
  return new Map(
    credentials.flatMap(({ cloudCredRefId, bastion }) => {
      const parsed = bastionField.safeParse(bastion);
      return parsed.success ? [[cloudCredRefId, parsed.data] as const] : [];
    }),
  );
}

/**
 * The same account, its machines at the address where the bastion finds them: a machine without a public address is
 * as good as one that has one, and is not waited for in vain.
 */
export function asSeenFrom(bastion: BastionConfig, provider: Provider): Provider {
  if (bastion.dials === 'public') return provider;
  const seen = (instance: CloudInstance): CloudInstance => {
    const { privateAddress } = instance;
    return privateAddress === undefined ? instance : { ...instance, publicAddress: privateAddress };
  };
  const operations: Pick<Provider, 'createInstance' | 'getInstance' | 'listInstances'> = {
    async createInstance(...args) {
      const created = await provider.createInstance(...args);
      return created.outcome === 'exists' ? { ...created, instance: seen(created.instance) } : created;
    },
    getInstance: async (...args) => seen(await provider.getInstance(...args)),
    listInstances: async (...args) => (await provider.listInstances(...args)).map(seen),
  };
  return new Proxy(provider, {
    get(target, name) {
      if (Object.hasOwn(operations, name)) return operations[name as keyof typeof operations];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
