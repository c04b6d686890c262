import { z } from 'zod';
import { type CreateSpec, SIZE_UNITS } from '../types.js';

/** The requests of the sim dialect. What only the core can know (is it sold there?) the core checks. */

const size = z.object({ value: z.number().positive(), unit: z.enum(SIZE_UNITS) });
const tags = z.record(z.string().min(1).max(255), z.string().max(1_024));
const firewallRule = z.object({
  fromPort: z.number().int(),
  toPort: z.number().int(),
  ipRanges: z.array(z.string()).optional(),
});
const firewallRules = z.object({
  ingressRules: z.array(firewallRule).optional(),
  egressRules: z.array(firewallRule).optional(),
});

export const createBody: z.ZodType<CreateSpec> = z.object({
  name: z.string().min(1).max(255),
  location: z.string().min(1),
  instanceType: z.string().min(1),
  imageId: z.string().optional(),
  diskSize: size.optional(),
  publicKeys: z.array(z.string()),
  tags: tags.default({}),
  userDataBase64: z.base64().max(65_536).optional(),
  firewallRules: firewallRules.optional(),
  clientToken: z.string().min(1).max(128).optional(),
});
export const tagsBody = z.object({ tags });
export const firewallBody = firewallRules;
/** One rule, ingress unless it says otherwise; or several, as in PUT. */
export const addFirewallBody = z.union([
  firewallRule.extend({ direction: z.enum(['ingress', 'egress']).default('ingress') }),
  firewallRules.strict(),
]);
export const instanceTypeBody = z.object({ instanceType: z.string().min(1) });
export const diskBody = z.object({ diskSize: size });

const text = z.string().optional();
export const pageQuery = z.object({ location: text, pageToken: text });
export const listQuery = pageQuery.extend({
  /** `key=value`, any number of times. */
  tag: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .transform((value) => (value === undefined ? [] : [value].flat()))
    .pipe(z.array(z.string().regex(/^[^=]+=/, 'not key=value'))),
});
