import { z } from 'zod';
import { defineAdapter } from '../adapter-module.js';
import { apiUrlField, baseCredential, secretField } from '../credential.js';
import { HttpClient } from '../http.js';
import { logCalls } from '../log-calls.js';
import { ID, ShadeformProvider } from './adapter.js';
import { ShadeformClient } from './client.js';

const credentialSchema = baseCredential.extend({
  apiUrl: apiUrlField.default('https://api.shadeform.ai/v1'),
  apiKey: secretField,
  pollIntervalMs: z.number().int().positive().default(5_000),
  listingLagMs: z.number().int().nonnegative().default(15_000),
  /** Shadeform publishes none. */
  requestsPerSecond: z.number().positive().optional(),
  createsPerMinute: z.number().positive().default(10),
  /** How long one answer may take. */
  timeoutMs: z.number().int().positive().default(30_000),
});

export const shadeformAdapter = defineAdapter({
  id: ID,
  credentialSchema,
  secretFields: ['apiKey'],
  create(credential, deps) {
    const { cloudCredRefId, apiUrl, apiKey, timeoutMs } = credential;
    const { pollIntervalMs, listingLagMs, requestsPerSecond, createsPerMinute } = credential;
    const http = new HttpClient({
      baseUrl: apiUrl,
      authorise: () => ({ 'x-api-key': apiKey }),
      limits: { requestsPerSecond, createsPerMinute },
      timeoutMs,
      fetch: deps.fetch,
      onCall: logCalls(deps.logger, { provider: ID, cloudCredRefId }),
      onCreateAnswered: deps.onCreateAnswered,
    });
    const limits = {
      pollIntervalMs,
      listingLagMs,
      createsPerMinute,
      ...(requestsPerSecond && { requestsPerSecond }),
    };
    return new ShadeformProvider(new ShadeformClient(http), { cloudCredRefId, limits });
  },
});
