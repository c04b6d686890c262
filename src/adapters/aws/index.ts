import { z } from 'zod';
import { isMoney } from '../../domain/money.js';
import { defineAdapter } from '../adapter-module.js';
import { apiUrlField, baseCredential, secretField } from '../credential.js';
import { logCalls } from '../log-calls.js';
import { AwsProvider, ID } from './adapter.js';
import { Ec2Client } from './client.js';
import { Ec2Exchange } from './exchange.js';
import { DEFAULT_IMAGE } from './images.js';

const price = z.string().refine((amount) => isMoney({ amount, currency: 'USD' }), 'must be a decimal: "1.006"');
const region = z.string().regex(/^[a-z]{2}(?:-[a-z]+)+-\d$/, 'must be a region: "us-east-1"');

const credentialSchema = baseCredential.extend({
  apiUrl: apiUrlField.optional(),
  accessKeyId: secretField,
  secretAccessKey: secretField,
  /** Of temporary credentials. */
  sessionToken: secretField.optional(),
  /** Each is listed with every listing, all of them or none. */
  regions: z.array(region).min(1),
  defaultImage: z.strictObject({ owner: z.string().min(1), name: z.string().min(1) }).default(DEFAULT_IMAGE),
  /** USD an hour, by type or by "region/type": EC2 tells none. */
  prices: z.record(z.string(), price).default({}),
  sshUser: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/)
    .default('ubuntu'),
  /** Where SSH answers. Another one only for simulations. */
  sshPort: z.number().int().min(1).max(65_535).default(22),
  pollIntervalMs: z.number().int().positive().default(5_000),
  listingLagMs: z.number().int().nonnegative().default(30_000),
  requestsPerSecond: z.number().positive().default(10),
  createsPerMinute: z.number().positive().default(60),
  /** How long one answer may take. */
  timeoutMs: z.number().int().positive().default(30_000),
});

export const awsAdapter = defineAdapter({
  id: ID,
  credentialSchema,
  secretFields: ['accessKeyId', 'secretAccessKey', 'sessionToken'],
  create(credential, deps) {
    const { cloudCredRefId, apiUrl, accessKeyId, secretAccessKey, sessionToken, timeoutMs } = credential;
    const { regions, defaultImage, prices, sshUser, sshPort } = credential;
    const { pollIntervalMs, listingLagMs, requestsPerSecond, createsPerMinute } = credential;
    const limits = { requestsPerSecond, createsPerMinute };
    const exchange = new Ec2Exchange({
      apiUrl,
      credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
      limits,
      timeoutMs,
      fetch: deps.fetch,
      onCall: logCalls(deps.logger, { provider: ID, cloudCredRefId }),
      onCreateAnswered: deps.onCreateAnswered,
    });
    return new AwsProvider(new Ec2Client(exchange), {
      cloudCredRefId,
      regions: [...new Set(regions)],
      defaultImage,
      prices,
      sshUser,
      sshPort,
      limits: { pollIntervalMs, listingLagMs, ...limits },
    });
  },
});
