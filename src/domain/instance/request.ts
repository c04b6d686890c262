import { type FirewallRules, isCidr, isPort, NO_RULES, normaliseRules } from '../firewall.js';
import { type CloudCredRefId, isCloudCredRefId, isRefId, type RefId } from '../ids.js';
import type { Offer } from '../placement/offer.js';
import { IDENTITY_TAGS } from '../provider.js';
import { isSize, SIZE_UNITS, type Size } from '../size.js';
import { DEFAULT_POLICY, isPolicyDuration, POLICY_DURATIONS, type Policy } from './policy.js';

/** What a caller sends. Fields with a default may be missing. */
export interface InstanceRequestInput {
  /** The caller's key: same key, same instance. Letters, digits and inner `-`, at most 63. */
  refId: RefId;
  name: string;
  /** OpenSSH form, one line. */
  publicKey: string;
  /** The offers to try, in order. */
  offers: { cloudCredRefId: CloudCredRefId; location: string; subLocation?: string; instanceType: string }[];
  imageId?: string;
  diskSize?: Size;
  tags?: Record<string, string>;
  firewallRules?: Partial<FirewallRules>;
  /** cloud-init or a script. In Temporal's history, never in an event, a log or an answer of ours. */
  userDataBase64?: string;
  /** Which of the worker's private keys proves SSH: a name, never the key. */
  sshKeyRef?: string;
  policy?: Partial<Policy>;
}

/** The same with every default filled in, rules in normal form. */
export interface InstanceRequest {
  refId: RefId;
  name: string;
  publicKey: string;
  offers: Offer[];
  imageId?: string;
  diskSize?: Size;
  tags: Record<string, string>;
  firewallRules: FirewallRules;
  sshKeyRef: string;
  policy: Policy;
  /** What is kept of the user data in events and answers: enough to tell two requests apart. */
  userData?: { bytes: number; digest: string };
}

/** One thing wrong with a request: `offers[0].location`, and what it should be. */
export interface RequestIssue {
  path: string;
  message: string;
}

export const LIMITS = {
  name: 255,
  publicKey: 4096,
  offers: 100,
  tags: 40,
  tagKey: 55,
  tagValue: 128,
  rules: 100,
  ipRanges: 50,
  userDataBase64: 256 * 1024,
  word: 128,
  requestId: 255,
  actor: 255,
  reason: 1000,
  gpus: 1024,
} as const;

export type Report = (path: string, message: string) => void;
export type Fields = Record<string, unknown>;

/**
 * Everything that is wrong with a request, whoever sent it. The one validator: client, CLI and workflow all ask it,
 * so that every door says the same. Written by hand because zod would multiply the cost of every workflow start;
 * a test holds it and the zod schema (docs/schemas) together.
 */
export function requestIssues(input: unknown): RequestIssue[] {
  const issues: RequestIssue[] = [];
  const report: Report = (path, message) => issues.push({ path, message });
  if (!isFields(input)) {
    report('', 'must be an object');
    return issues;
  }
  checkUnknown(input, '', REQUEST_FIELDS, report);
  if ('requirement' in input) {
    report('requirement', 'is not supported by this version: list the offers to try, in order, in `offers`');
  }
  const issue = refIdIssue(input.refId);
  if (issue) issues.push(issue);
  checkText(input.name, 'name', LIMITS.name, report);
  checkPublicKey(input.publicKey, report);
  checkOffers(input.offers, report);
  if (input.imageId !== undefined) checkText(input.imageId, 'imageId', LIMITS.word, report);
  if (input.diskSize !== undefined) checkSize(input.diskSize, 'diskSize', report);
  if (input.tags !== undefined) tagIssues(input.tags, 'tags', report);
  if (input.firewallRules !== undefined) firewallIssues(input.firewallRules, 'firewallRules', report);
  if (input.userDataBase64 !== undefined) checkUserData(input.userDataBase64, report);
  if (input.sshKeyRef !== undefined && !isCloudCredRefId(input.sshKeyRef)) {
    report('sshKeyRef', 'must name one of the worker’s keys: letters, digits, ".", "_" and "-"; never the key itself');
  }
  if (input.policy !== undefined) checkPolicy(input.policy, report);
  return issues;
}

/** What is wrong with a refId, if anything. */
export function refIdIssue(refId: unknown): RequestIssue | undefined {
  return isRefId(refId) ? undefined : { path: 'refId', message: 'must be 1 to 63 letters, digits and inner "-"' };
}

const REQUEST_FIELDS = [
  'refId',
  'name',
  'publicKey',
  'offers',
  'requirement', // reported above, in better words
  'imageId',
  'diskSize',
  'tags',
  'firewallRules',
  'userDataBase64',
  'sshKeyRef',
  'policy',
];

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function checkUnknown(fields: Fields, path: string, known: readonly string[], report: Report): void {
  for (const field of Object.keys(fields)) {
    if (!known.includes(field)) report(path ? `${path}.${field}` : field, 'is not a field here');
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/;

export function checkText(value: unknown, path: string, max: number, report: Report): void {
  if (typeof value !== 'string' || value.trim() === '') report(path, 'must be a non-empty string');
  else if (value.length > max) report(path, `must be at most ${max} characters`);
  else if (CONTROL.test(value)) report(path, 'must be one line without control characters');
}

const PUBLIC_KEY =
  /^(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]{40,}={0,3}(?: [^\r\n]*)?$/;

function checkPublicKey(value: unknown, report: Report): void {
  if (typeof value !== 'string' || value === '') report('publicKey', 'must be a public key in OpenSSH form');
  else if (/PRIVATE KEY/.test(value)) report('publicKey', 'is a private key: send the public one');
  else if (value.length > LIMITS.publicKey) report('publicKey', `must be at most ${LIMITS.publicKey} characters`);
  else if (CONTROL.test(value)) report('publicKey', 'must be a single line');
  else if (!PUBLIC_KEY.test(value)) {
    report('publicKey', 'must be a public key in OpenSSH form: "ssh-ed25519 AAAA… comment"');
  }
}

function checkOffers(value: unknown, report: Report): void {
  if (!Array.isArray(value) || value.length === 0) {
    report('offers', 'must list at least one offer to try');
    return;
  }
  if (value.length > LIMITS.offers) report('offers', `must be at most ${LIMITS.offers} offers`);
  const seen = new Map<string, number>();
  for (const [index, offer] of value.slice(0, LIMITS.offers).entries()) {
    const path = `offers[${index}]`;
    if (!isFields(offer)) {
      report(path, 'must be an object with cloudCredRefId, location and instanceType');
      continue;
    }
    checkUnknown(offer, path, ['cloudCredRefId', 'location', 'subLocation', 'instanceType'], report);
    if (!isCloudCredRefId(offer.cloudCredRefId)) {
      report(`${path}.cloudCredRefId`, 'must name a credential: 1 to 63 letters, digits, ".", "_" and "-"');
    }
    checkText(offer.location, `${path}.location`, LIMITS.word, report);
    checkText(offer.instanceType, `${path}.instanceType`, LIMITS.word, report);
    if (offer.subLocation !== undefined) checkText(offer.subLocation, `${path}.subLocation`, LIMITS.word, report);
    const key = JSON.stringify([offer.cloudCredRefId, offer.location, offer.subLocation, offer.instanceType]);
    const twin = seen.get(key);
    if (twin !== undefined) report(path, `is the same as offers[${twin}]`);
    else seen.set(key, index);
  }
}

export function checkSize(value: unknown, path: string, report: Report): void {
  if (!isSize(value)) report(path, `must be { value, unit } with a unit of ${Object.keys(SIZE_UNITS).join(', ')}`);
}

const TAG_KEY = /^[A-Za-z][A-Za-z0-9_:.-]*$/;
const RESERVED_TAGS: ReadonlySet<string> = new Set(Object.values(IDENTITY_TAGS).map((tag) => tag.toLowerCase()));

/** Also used for the `updateTags` command. */
export function tagIssues(value: unknown, path: string, report: Report): void {
  if (!isFields(value)) {
    report(path, 'must be an object of strings');
    return;
  }
  const entries = Object.entries(value);
  if (entries.length > LIMITS.tags) report(path, `must be at most ${LIMITS.tags} tags`);
  for (const [key, tag] of entries) {
    const at = `${path}.${key}`;
    if (!TAG_KEY.test(key) || key.length > LIMITS.tagKey) {
      report(at, `key must be at most ${LIMITS.tagKey} letters, digits and "_:.-", a letter first`);
    } else if (RESERVED_TAGS.has(key.toLowerCase()) || key.toLowerCase().startsWith('slipway')) {
      report(at, 'is reserved: it carries the instance’s identity');
    } else if (typeof tag !== 'string' || tag.length > LIMITS.tagValue || CONTROL.test(tag)) {
      report(at, `must be one line of at most ${LIMITS.tagValue} characters`);
    }
  }
}

/** Also used for the `setFirewallRules` command. */
export function firewallIssues(value: unknown, path: string, report: Report): void {
  if (!isFields(value)) {
    report(path, 'must be an object with ingressRules and egressRules');
    return;
  }
  checkUnknown(value, path, ['ingressRules', 'egressRules'], report);
  for (const direction of ['ingressRules', 'egressRules'] as const) {
    const rules = value[direction];
    if (rules === undefined) continue;
    const at = `${path}.${direction}`;
    if (!Array.isArray(rules)) {
      report(at, 'must be a list of rules');
      continue;
    }
    if (rules.length > LIMITS.rules) report(at, `must be at most ${LIMITS.rules} rules`);
    for (const [index, rule] of rules.slice(0, LIMITS.rules).entries()) checkRule(rule, `${at}[${index}]`, report);
  }
}

function checkRule(rule: unknown, path: string, report: Report): void {
  if (!isFields(rule)) {
    report(path, 'must be an object with fromPort, toPort and ipRanges');
    return;
  }
  checkUnknown(rule, path, ['fromPort', 'toPort', 'ipRanges'], report);
  const { fromPort, toPort, ipRanges } = rule;
  if (!isPort(fromPort)) report(`${path}.fromPort`, 'must be a port from 1 to 65535');
  if (!isPort(toPort)) report(`${path}.toPort`, 'must be a port from 1 to 65535');
  if (isPort(fromPort) && isPort(toPort) && fromPort > toPort) report(`${path}.toPort`, 'must not be below fromPort');
  if (ipRanges === undefined) return;
  if (!Array.isArray(ipRanges)) {
    report(`${path}.ipRanges`, 'must be a list of CIDRs; empty means any address');
    return;
  }
  if (ipRanges.length > LIMITS.ipRanges) report(`${path}.ipRanges`, `must be at most ${LIMITS.ipRanges} ranges`);
  for (const [index, range] of ipRanges.slice(0, LIMITS.ipRanges).entries()) {
    if (!isCidr(range)) report(`${path}.ipRanges[${index}]`, 'must be a CIDR such as 203.0.113.0/24 or 2001:db8::/32');
  }
}

function checkUserData(value: unknown, report: Report): void {
  if (typeof value !== 'string' || value === '' || value.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(value)) {
    report('userDataBase64', 'must be base64');
  } else if (value.length > LIMITS.userDataBase64) {
    report('userDataBase64', `must be at most ${LIMITS.userDataBase64} characters`);
  }
}

function checkPolicy(value: unknown, report: Report): void {
  if (!isFields(value)) {
    report('policy', 'must be an object');
    return;
  }
  checkUnknown(
    value,
    'policy',
    [...Object.keys(DEFAULT_POLICY), 'pendingToRunningFloor', 'expectGpus', 'verifyFirewall'],
    report,
  );
  for (const field of [...POLICY_DURATIONS, 'pendingToRunningFloor'] as const) {
    if (value[field] !== undefined && !isPolicyDuration(value[field])) {
      report(`policy.${field}`, 'must be a duration from 1s to 30d, such as 90s, 20m or 1h');
    }
  }
  const { maxOffers, onFailure } = value;
  if (maxOffers !== undefined && (!Number.isInteger(maxOffers) || Number(maxOffers) < 1 || Number(maxOffers) > 1000)) {
    report('policy.maxOffers', 'must be a whole number from 1 to 1000');
  }
  if (onFailure !== undefined && onFailure !== 'park' && onFailure !== 'terminate') {
    report('policy.onFailure', 'must be "park" or "terminate"');
  }
  if (value.expectGpus !== undefined) checkGpus(value.expectGpus, report);
  if (value.verifyFirewall !== undefined && typeof value.verifyFirewall !== 'boolean') {
    report('policy.verifyFirewall', 'must be true or false');
  }
}

function checkGpus(value: unknown, report: Report): void {
  if (!isFields(value)) {
    report('policy.expectGpus', 'must be an object with count and, if you like, name');
    return;
  }
  checkUnknown(value, 'policy.expectGpus', ['count', 'name'], report);
  const { count, name } = value;
  if (!Number.isInteger(count) || Number(count) < 1 || Number(count) > LIMITS.gpus) {
    report('policy.expectGpus.count', `must be a whole number from 1 to ${LIMITS.gpus}`);
  }
  if (name !== undefined) checkText(name, 'policy.expectGpus.name', LIMITS.word, report);
}

/** Fills in what was left out. Only for input without issues. */
export function toInstanceRequest(input: InstanceRequestInput): InstanceRequest {
  const rules = input.firewallRules ?? {};
  return {
    refId: input.refId,
    name: input.name,
    publicKey: input.publicKey,
    offers: input.offers.map(({ cloudCredRefId, location, subLocation, instanceType }) =>
      subLocation === undefined
        ? { cloudCredRefId, location, instanceType }
        : { cloudCredRefId, location, subLocation, instanceType },
    ),
    ...(input.imageId !== undefined && { imageId: input.imageId }),
    ...(input.diskSize !== undefined && { diskSize: { value: input.diskSize.value, unit: input.diskSize.unit } }),
    tags: sortKeys(input.tags ?? {}),
    firewallRules: toRules(rules),
    sshKeyRef: input.sshKeyRef ?? 'default',
    policy: { ...DEFAULT_POLICY, ...input.policy },
    ...(input.userDataBase64 !== undefined && {
      userData: { bytes: base64Bytes(input.userDataBase64), digest: digest(input.userDataBase64) },
    }),
  };
}

/** Rules with the parts a caller may leave out filled in, in normal form. */
export function toRules(rules: Partial<FirewallRules>): FirewallRules {
  const filled = { ...NO_RULES, ...rules };
  const withRanges = (list: FirewallRules['ingressRules']) =>
    list.map((rule) => ({ ...rule, ipRanges: rule.ipRanges ?? [] }));
  return normaliseRules({
    ingressRules: withRanges(filled.ingressRules),
    egressRules: withRanges(filled.egressRules),
  });
}

/** Whether two requests ask for the same: the order of tags and rules does not count, that of offers does. */
export function sameRequest(a: InstanceRequest, b: InstanceRequest): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (isFields(part) ? sortKeys(part) : part));
}

function sortKeys<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

function base64Bytes(text: string): number {
  return (text.length / 4) * 3 - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0);
}

/** 53 bits (cyrb53): tells two user data apart; it is no secret's guard. Pure, for the workflow has no crypto. */
function digest(text: string): string {
  let h1 = 0xdeadbeef;
  let h2 = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    h1 = Math.imul(h1 ^ code, 2654435761);
    h2 = Math.imul(h2 ^ code, 1597334677);
  }
  h1 = Math.imul(h1 ^ (h1 >>> 16), 2246822507) ^ Math.imul(h2 ^ (h2 >>> 13), 3266489909);
  h2 = Math.imul(h2 ^ (h2 >>> 16), 2246822507) ^ Math.imul(h1 ^ (h1 >>> 13), 3266489909);
  return (4294967296 * (2097151 & h2) + (h1 >>> 0)).toString(16).padStart(14, '0');
}
