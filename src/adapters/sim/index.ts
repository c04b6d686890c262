import { z } from 'zod';
import type { Capability } from '../../domain/provider.js';
import { defineAdapter } from '../adapter-module.js';
import { apiUrlField, baseCredential, secretField } from '../credential.js';
import { HttpClient } from '../http.js';
import { logCalls } from '../log-calls.js';
import { SimProvider } from './adapter.js';
import { SimClient } from './client.js';

const CAPABILITIES = [
  'create-instance',
  'terminate-instance',
  'instance-userdata',
  'tags',
  'stop-start-instance',
  'reboot-instance',
  'machine-image',
  'modify-firewall',
  'change-instance-type',
  'resize-instance-volume',
] as const satisfies readonly Capability[];

/** Without these two it is no provider. */
const [, , ...OPTIONAL] = CAPABILITIES;

const credentialSchema = baseCredential.extend({
  apiUrl: apiUrlField,
  apiKey: secretField,
  pollIntervalMs: z.number().int().positive().default(1_000),
  listingLagMs: z.number().int().nonnegative().default(0),
  requestsPerSecond: z.number().positive().optional(),
  createsPerMinute: z.number().positive().optional(),
  /** How long one answer may take. */
  timeoutMs: z.number().int().positive().default(30_000),
  /** The account returns the same machine for the same client token. */
  idempotentCreate: z.boolean().default(false),
  /** What this account does not have, to model poorer clouds. */
  without: z.array(z.enum(OPTIONAL)).default([]),
});

export const simAdapter = defineAdapter({
  id: 'sim',
  credentialSchema,
  secretFields: ['apiKey'],
  create(credential, deps) {
    const { cloudCredRefId, apiUrl, apiKey, timeoutMs, without } = credential;
    const { pollIntervalMs, listingLagMs, requestsPerSecond, createsPerMinute } = credential;
    const http = new HttpClient({
      baseUrl: apiUrl,
      authorise: () => ({ authorization: `Bearer ${apiKey}` }),
      limits: { requestsPerSecond, createsPerMinute },
      timeoutMs,
      fetch: deps.fetch,
      onCall: logCalls(deps.logger, { provider: 'sim', cloudCredRefId }),
      onCreateAnswered: deps.onCreateAnswered,
    });
    const declared = CAPABILITIES.filter((capability) => !without.some((other) => other === capability));
    return new SimProvider(new SimClient(http), {
      cloudCredRefId,
      capabilities: credential.idempotentCreate ? [...declared, 'create-instance-idempotent'] : declared,
      limits: {
        pollIntervalMs,
        listingLagMs,
        ...(requestsPerSecond && { requestsPerSecond }),
        ...(createsPerMinute && { createsPerMinute }),
      },
    });
  },
});
