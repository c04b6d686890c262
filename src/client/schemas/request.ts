import { z } from 'zod';
import { isPolicyDuration } from '../../domain/instance/policy.js';
import { LIMITS } from '../../domain/instance/request.js';
import * as values from './values.js';

const duration = z
  .string()
  .regex(/^\d{1,9}(?:ms|s|m|h|d)$/)
  .refine(isPolicyDuration, { error: 'must be a duration from 1s to 30d, such as 90s, 20m or 1h' })
  .meta({ id: 'Duration', description: 'A whole number and one unit: 90s, 20m, 1h. From 1s to 30d.' });

const policyFields = z.strictObject({
  provisionWithin: duration,
  pendingToRunning: duration.describe('At most; less where the journal knows how long machines of the offer took.'),
  pendingToRunningFloor: duration.optional().describe('Never less than this, whatever the journal knows. Default 5m.'),
  runningToSsh: duration,
  runningToStopped: duration,
  stoppedToRunning: duration,
  toTerminated: duration,
  maxOffers: z.int().min(1).max(1000),
  onFailure: z.enum(['park', 'terminate']),
  expectGpus: z
    .strictObject({ count: z.int().min(1).max(LIMITS.gpus), name: values.line(LIMITS.word).optional() })
    .optional()
    .describe('GPUs that the driver must show; the name in any spelling.'),
  verifyFirewall: z
    .boolean()
    .optional()
    .describe('Must the firewall be proved from outside? Absent: where the machine has one of ours.'),
});

const offerInput = z.strictObject({
  cloudCredRefId: values.referenceName,
  location: values.line(LIMITS.word),
  subLocation: values.line(LIMITS.word).optional(),
  instanceType: values.line(LIMITS.word),
});

const offerKey = (offer: z.infer<typeof offerInput>) =>
  JSON.stringify([offer.cloudCredRefId, offer.location, offer.subLocation, offer.instanceType]);

const publicKey = z
  .string()
  .max(LIMITS.publicKey)
  .regex(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it forbids
    /^(?!.*PRIVATE KEY)(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]{40,}={0,3}(?: [^\u0000-\u001f\u007f]*)?$/,
  )
  .describe('OpenSSH form, one line.');

/** What a caller sends to provision an instance. `requestIssues` says the same by hand; a test holds the two together. */
export const requestSchema = z
  .strictObject({
    refId: values.refId,
    name: values.line(LIMITS.name),
    publicKey,
    offers: z
      .array(offerInput)
      .min(1)
      .max(LIMITS.offers)
      .refine((offers) => new Set(offers.map(offerKey)).size === offers.length, { error: 'must not repeat an offer' })
      .meta({ uniqueItems: true, description: 'The offers to try, in order.' }),
    imageId: values.line(LIMITS.word).optional(),
    diskSize: values.size.optional(),
    tags: values.tagsInput.optional(),
    firewallRules: values.firewallRulesInput.optional(),
    userDataBase64: z
      .string()
      .max(LIMITS.userDataBase64)
      .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/)
      .optional()
      .describe('cloud-init or a script, in base64.'),
    sshKeyRef: values.referenceName
      .optional()
      .describe('Which of the worker’s keys proves SSH: a name, never the key.'),
    policy: policyFields.partial().optional(),
  })
  .meta({ title: 'Request', description: 'Provisions one instance: the input of the workflow `instance`.' });

/** The same with every default filled in, as `InstanceRequested` records it. */
export const filledRequest = z
  .object({
    refId: values.refId,
    name: z.string(),
    publicKey: z.string(),
    offers: z.array(values.offer),
    imageId: z.string().optional(),
    diskSize: values.size.optional(),
    tags: values.tags,
    firewallRules: values.firewallRules,
    sshKeyRef: z.string(),
    policy: z.object(policyFields.shape),
    userData: z
      .object({ bytes: z.number(), digest: z.string() })
      .optional()
      .describe('The user data itself is in no event.'),
  })
  .meta({ id: 'FilledRequest' });
