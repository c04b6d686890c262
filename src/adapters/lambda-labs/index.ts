import { z } from 'zod';
import { defineAdapter } from '../adapter-module.js';
import { apiUrlField, baseCredential, secretField } from '../credential.js';
import { HttpClient } from '../http.js';
import { logCalls } from '../log-calls.js';
import { ID, LambdaProvider } from './adapter.js';
import { LambdaClient } from './client.js';

const credentialSchema = baseCredential.extend({
  apiUrl: apiUrlField.default('https://cloud.lambda.ai/api/v1'),
  apiKey: secretField,
  pollIntervalMs: z.number().int().positive().default(5_000),
  listingLagMs: z.number().int().nonnegative().default(15_000),
  requestsPerSecond: z.number().positive().default(1),
  createsPerMinute: z.number().positive().default(5),
  /** How long one answer may take. */
  timeoutMs: z.number().int().positive().default(30_000),
  /** Where SSH answers; Lambda names no port. Another one only for simulations. */
  sshPort: z.number().int().min(1).max(65_535).default(22),
});

export const lambdaLabsAdapter = defineAdapter({
  id: ID,
  credentialSchema,
  secretFields: ['apiKey'],
  create(credential, deps) {
    const { cloudCredRefId, apiUrl, apiKey, timeoutMs, sshPort } = credential;
    const { pollIntervalMs, listingLagMs, requestsPerSecond, createsPerMinute } = credential;
    const limits = { requestsPerSecond, createsPerMinute };
    const http = new HttpClient({
      baseUrl: apiUrl,
      authorise: () => ({ authorization: `Bearer ${apiKey}` }),
      limits,
      timeoutMs,
      fetch: deps.fetch,
      onCall: logCalls(deps.logger, { provider: ID, cloudCredRefId }),
      onCreateAnswered: deps.onCreateAnswered,
    });
    return new LambdaProvider(new LambdaClient(http), {
      cloudCredRefId,
      sshPort,
      limits: { pollIntervalMs, listingLagMs, ...limits },
    });
  },
});
