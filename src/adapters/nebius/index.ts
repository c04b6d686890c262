import { z } from 'zod';
import { defineAdapter } from '../adapter-module.js';
import { apiUrlField, baseCredential } from '../credential.js';
import { NebiusProvider } from './adapter.js';
import { Channels } from './channels.js';
import { NebiusClient } from './client.js';
import { ID } from './errors.js';
import { Places } from './places.js';
import { readServiceAccountKey, TokenSource } from './token.js';

const id = z.string().regex(/^[a-z0-9-]{1,100}$/, 'must be an id of Nebius: small letters, digits and "-"');

const credentialSchema = baseCredential.extend({
  /** One address in place of all of the vendor's hosts. gRPC knows no paths below it. */
  apiUrl: apiUrlField.refine((url) => /^https?:\/\/[^/]+$/.test(url), 'must not have a path').optional(),
  /** The JSON of a service account key, as Nebius' tools write it. */
  serviceAccountKey: z.string('must be a string').superRefine((text, context) => {
    try {
      readServiceAccountKey(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
    }
  }),
  tenantId: id,
  projectIds: z.array(id).min(1).optional(),
  subnetIds: z.array(id).min(1).optional(),
  pollIntervalMs: z.number().int().positive().default(5_000),
  listingLagMs: z.number().int().nonnegative().default(15_000),
  /** Nebius publishes none. */
  requestsPerSecond: z.number().positive().optional(),
  createsPerMinute: z.number().positive().default(10),
  /** How long one answer may take. */
  timeoutMs: z.number().int().positive().default(30_000),
  /** How long an accepted create or start is watched for a failure that comes right after. */
  acceptMs: z.number().int().nonnegative().max(30_000).default(10_000),
  /** Where SSH answers. Another one only for simulations. */
  sshPort: z.number().int().min(1).max(65_535).default(22),
});

export const nebiusAdapter = defineAdapter({
  id: ID,
  credentialSchema,
  secretFields: ['serviceAccountKey'],
  create(credential, deps) {
    const { cloudCredRefId, apiUrl, timeoutMs, tenantId, projectIds, subnetIds, sshPort, acceptMs } = credential;
    const { pollIntervalMs, listingLagMs, requestsPerSecond, createsPerMinute } = credential;
    const log = deps.logger?.child({ provider: ID, cloudCredRefId });
    const channels = new Channels({
      timeoutMs,
      onCall: (call) => log?.debug(call, 'provider called'),
      ...(apiUrl && { apiUrl }),
    });
    const tokens = new TokenSource(channels, readServiceAccountKey(credential.serviceAccountKey));
    const rates = { requestsPerSecond, createsPerMinute };
    const client = new NebiusClient(channels, tokens, rates, deps.onCreateAnswered);
    const places = new Places(client, { tenantId, ...(projectIds && { projectIds }), ...(subnetIds && { subnetIds }) });
    const limits = { pollIntervalMs, listingLagMs, createsPerMinute, ...(requestsPerSecond && { requestsPerSecond }) };
    return new NebiusProvider(client, places, { cloudCredRefId, tenantId, limits, sshPort, acceptMs });
  },
});
