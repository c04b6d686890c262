/** The small things that requests, commands, events and views are made of. */
import { z } from 'zod';
import { ERROR_KINDS } from '../../domain/errors.js';
import { isCidr } from '../../domain/firewall.js';
import { LIMITS } from '../../domain/instance/request.js';
import { SIZE_UNITS, type SizeUnit } from '../../domain/size.js';

/** One line: no control characters, and more than blanks. Two patterns, so that JSON Schema can say it too. */
export const line = (max: number) =>
  z
    .string()
    .max(max)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it forbids
    .regex(/^[^\u0000-\u001f\u007f]*$/)
    .regex(/\S/);

export const refId = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/)
  .describe('The caller’s key: same key, same instance.');

/** Names of credentials and keys: never what they name. */
export const referenceName = z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);

export const time = z.iso.datetime().describe('UTC, to the millisecond.');

const units = Object.keys(SIZE_UNITS) as SizeUnit[];
export const size = z.object({ value: z.number().positive(), unit: z.enum(units) }).meta({ id: 'Size' });

export const money = z
  .object({
    amount: z.string().regex(/^\d{1,9}(?:\.\d{1,6})?$/),
    currency: z.string().regex(/^[A-Z]{3}$/),
  })
  .meta({ id: 'Money' });

const port = z.int().min(1).max(65_535);
const cidr = z
  .string()
  .regex(/^[0-9A-Fa-f:.]+\/\d{1,3}$/)
  .refine(isCidr, { error: 'must be a CIDR such as 203.0.113.0/24 or 2001:db8::/32' });

const firewallRule = z
  .strictObject({
    fromPort: port,
    toPort: port,
    ipRanges: z.array(cidr).max(LIMITS.ipRanges).default([]).describe('Networks in CIDR form; empty means any.'),
  })
  .refine(({ fromPort, toPort }) => fromPort <= toPort, { path: ['toPort'], error: 'must not be below fromPort' })
  .meta({ id: 'FirewallRule', description: 'One port range, TCP and UDP alike. toPort is not below fromPort.' });

const ruleList = z.array(firewallRule).max(LIMITS.rules);
/** As a caller sends them: either direction may be left out. */
export const firewallRulesInput = z.strictObject({
  ingressRules: ruleList.optional(),
  egressRules: ruleList.optional(),
});
/** As events and views have them. */
export const portMappings = z
  .array(z.object({ port: z.number(), publicPort: z.number() }))
  .meta({ id: 'PortMappings' });

export const firewallRules = z.object({ ingressRules: ruleList, egressRules: ruleList }).meta({ id: 'FirewallRules' });

/** A pattern for a word in capitals and small letters alike: JSON Schema has no flag for it. */
const anyCase = (word: string) => word.replace(/[a-z]/gi, (c) => `[${c.toLowerCase()}${c.toUpperCase()}]`);
const RESERVED = ['refId', 'cloudCredRefId'].map((word) => `${anyCase(word)}$`).join('|');

/** A caller's tags. Those that carry the instance's identity are reserved. */
export const tagsInput = z
  .record(
    z
      .string()
      .regex(new RegExp(`^(?!${RESERVED}|${anyCase('slipway')})[A-Za-z][A-Za-z0-9_:.-]{0,${LIMITS.tagKey - 1}}$`)),
    z
      .string()
      .max(LIMITS.tagValue)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it forbids
      .regex(/^[^\u0000-\u001f\u007f]*$/),
  )
  .refine((tags) => Object.keys(tags).length <= LIMITS.tags, { error: `must be at most ${LIMITS.tags} tags` })
  .meta({ maxProperties: LIMITS.tags });

export const tags = z.record(z.string(), z.string());

export const offer = z
  .object({
    cloudCredRefId: z.string(),
    location: z.string(),
    subLocation: z.string().optional(),
    instanceType: z.string(),
    pricePerHour: money.optional(),
  })
  .meta({ id: 'Offer', description: 'An instance type at a location, through one credential.' });

export const failure = z
  .object({
    kind: z.enum(ERROR_KINDS).describe('See docs/errors.md. New kinds may come.'),
    message: z.string(),
    operation: z.string().optional(),
    providerCode: z.string().optional(),
    httpStatus: z.number().optional(),
    requestId: z.string().optional().describe('The provider’s id of the refused call, for its support desk.'),
    retryAfterMs: z.number().optional(),
    isRemembered: z.boolean().optional(),
    isRepeat: z.boolean().optional(),
  })
  .meta({ id: 'Failure' });

export const absenceProof = z
  .object({ by: z.enum(['never-created', 'not-found', 'terminated', 'released']), at: time, evidence: z.string() })
  .meta({ id: 'AbsenceProof', description: 'How we know that a machine is gone.' });

export const capability = z.enum([
  'stop-start-instance',
  'reboot-instance',
  'modify-firewall',
  'tags',
  'change-instance-type',
  'resize-instance-volume',
]);

export const lifecycleStatus = z.enum([
  'pending',
  'running',
  'stopping',
  'stopped',
  'suspending',
  'suspended',
  'terminating',
  'terminated',
  'failed',
]);

const asked = { requestId: z.string() };
/** A change of a living machine that was asked for. */
export const change = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('firewall'), ...asked, rules: firewallRules }),
    z.object({ kind: z.literal('tags'), ...asked, tags }),
    z.object({ kind: z.literal('instanceType'), ...asked, instanceType: z.string() }),
    z.object({ kind: z.literal('volume'), ...asked, size }),
  ])
  .meta({ id: 'Change' });
