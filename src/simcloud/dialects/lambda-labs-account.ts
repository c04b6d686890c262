import { randomBytes } from 'node:crypto';
import { makeSshKeyPair } from '../../ssh-key-pair.js';
import type { Cloud } from '../cloud.js';
import { CloudError, invalid } from '../errors.js';
import { parse } from '../parse.js';
import { isPublicKey, toPublicHostKey } from '../ssh-server.js';
import type { Account, NewFirewallRule, NewFirewallRules } from '../types.js';
import { addKeyBody, type LambdaRule } from './lambda-labs-schemas.js';

/** What an account at Lambda has besides machines. */
export interface Shelf {
  keys: LambdaKey[];
  /** Inbound, for every machine of the account. */
  rules: LambdaRule[];
  /** The key each machine was launched with. */
  keyNames: Record<string, string>;
  /** Machines that the provider took back. */
  preempted: string[];
}

interface LambdaKey {
  id: string;
  name: string;
  public_key: string;
}

const ANY_SOURCE = '0.0.0.0/0';

/** As a new account has them: SSH and ping from everywhere. */
const DEFAULT_RULES: LambdaRule[] = [
  { protocol: 'tcp', port_range: [22, 22], source_network: ANY_SOURCE, description: 'SSH' },
  { protocol: 'icmp', source_network: ANY_SOURCE, description: 'ping' },
];

export function shelfOf(cloud: Cloud, account: Account): Shelf {
  return cloud.shelfOf('lambda-labs', account, () => ({
    keys: [],
    rules: [...DEFAULT_RULES],
    keyNames: {},
    preempted: [],
  }));
}

/** @returns the key as stored; with its private half when the caller gave no public one. */
export function addKey(cloud: Cloud, body: unknown, account: Account): LambdaKey & { private_key?: string } {
  const { name, public_key: given } = parse(addKeyBody, body);
  const shelf = shelfOf(cloud, account);
  if (shelf.keys.some((key) => key.name === name)) invalid('name', 'an SSH key with this name already exists');
  if (given !== undefined && !isPublicKey(given)) invalid('public_key', 'not a public key in OpenSSH format');
  const privateKey = given === undefined ? makeSshKeyPair().privateKey : undefined;
  const key = {
    id: randomBytes(16).toString('hex'),
    name,
    public_key: given ?? toPublicHostKey(privateKey ?? ''),
  };
  shelf.keys.push(key);
  cloud.parts.changed();
  return { ...key, ...(privateKey !== undefined && { private_key: privateKey }) };
}

/** Machines that were launched with it keep it. */
export function removeKey(cloud: Cloud, keyId: string, account: Account): void {
  const shelf = shelfOf(cloud, account);
  const left = shelf.keys.filter(({ id }) => id !== keyId);
  if (left.length === shelf.keys.length) throw new CloudError('resource.not_found', `there is no SSH key ${keyId}`);
  shelf.keys = left;
  cloud.parts.changed();
}

/** The account's firewall does not reach here. */
const UNFILTERED_REGION = 'us-south-1';

/**
 * What gets through to a machine: what the account's rules let in, and the machine's own firewall, if it has one, too.
 * Where both name networks, only an equal one passes: enough for tests, and never more open than the real thing.
 */
export function effectiveRules(
  region: string,
  rules: readonly LambdaRule[],
  host: NewFirewallRules | undefined,
): NewFirewallRules {
  const everything: NewFirewallRule = { fromPort: 1, toPort: 65_535 };
  const account = region === UNFILTERED_REGION ? [everything] : rules.flatMap(toCoreRule);
  const own = host?.ingressRules ?? [everything];
  return {
    ingressRules: account.flatMap((outer) => own.flatMap((inner) => overlap(outer, inner))),
    egressRules: host?.egressRules ?? [],
  };
}

function toCoreRule({ protocol, port_range: range, source_network: source }: LambdaRule): NewFirewallRule[] {
  if (protocol === 'icmp') return [];
  const [fromPort, toPort] = range ?? [1, 65_535];
  return [{ fromPort, toPort, ...(source !== ANY_SOURCE && { ipRanges: [source] }) }];
}

function overlap(a: NewFirewallRule, b: NewFirewallRule): NewFirewallRule[] {
  const fromPort = Math.max(a.fromPort, b.fromPort);
  const toPort = Math.min(a.toPort, b.toPort);
  const [outer = [], inner = []] = [a.ipRanges, b.ipRanges];
  const both = outer.length > 0 && inner.length > 0;
  const ipRanges = both ? inner.filter((range) => outer.includes(range)) : [...outer, ...inner];
  return fromPort > toPort || (both && ipRanges.length === 0) ? [] : [{ fromPort, toPort, ipRanges }];
}
