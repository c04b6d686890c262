import { createHash } from 'node:crypto';
import type { Cloud } from '../cloud.js';
import type { CallContext } from '../gate.js';
import type { Account, MachineRecord, NewFirewallRule } from '../types.js';
import { nodesAt, type QueryNode, textAt, type Xml } from './aws-query.js';
import { Ec2Refusal, invalidValue } from './aws-refusals.js';

/*
 * Security groups: what an account has besides machines, and what decides which ports of a machine are open. The core
 * knows rules per machine; they follow from its groups with every change. Only TCP is enforced there.
 */

/** One protocol, one range of ports, one network. No ports: all of them, of any protocol (-1). */
interface Permission {
  protocol: string;
  fromPort?: number;
  toPort?: number;
  cidr: string;
}

export interface Group {
  id: string;
  name: string;
  description: string;
  region: string;
  tags: Record<string, string>;
  ingress: Permission[];
  egress: Permission[];
}

interface Shelf {
  groups: Group[];
  /** The groups of each machine. */
  groupIds: Record<string, string[]>;
  /** A digest of the request that each client token made a machine with; absent in files of before. */
  requests?: Record<string, string>;
  nextId: number;
}

const EVERYTHING: Permission = { protocol: '-1', cidr: '0.0.0.0/0' };

export function shelfOf(cloud: Cloud, account: Account): Shelf {
  return cloud.shelfOf('aws', account, () => ({ groups: [], groupIds: {}, nextId: 1 }));
}

export function groupsOf(cloud: Cloud, account: Account, machineId: string): Group[] {
  const { groups, groupIds } = shelfOf(cloud, account);
  return groups.filter(({ id }) => groupIds[machineId]?.includes(id));
}

export function createGroup(
  cloud: Cloud,
  account: Account,
  { name, description, region, tags }: Pick<Group, 'name' | 'description' | 'region' | 'tags'>,
): Group {
  const shelf = shelfOf(cloud, account);
  if (shelf.groups.some((group) => group.region === region && group.name === name)) {
    throw new Ec2Refusal('InvalidGroup.Duplicate', `The security group '${name}' already exists for VPC '${VPC_ID}'`);
  }
  const digest = createHash('sha256').update(`${account.name} ${shelf.nextId}`).digest('hex');
  const group = { id: `sg-${digest.slice(0, 17)}`, name, description, region, tags, ingress: [], egress: [EVERYTHING] };
  shelf.nextId += 1;
  shelf.groups.push(group);
  cloud.parts.changed();
  return group;
}

/** There is one VPC in each region, the default one. */
export const VPC_ID = 'vpc-00000000000000001';

export function groupAt(cloud: Cloud, account: Account, region: string, id: string | undefined): Group {
  const group = shelfOf(cloud, account).groups.find((one) => one.region === region && one.id === id);
  if (group) return group;
  throw new Ec2Refusal('InvalidGroup.NotFound', `The security group '${id ?? ''}' does not exist`);
}

export function deleteGroup(cloud: Cloud, account: Account, group: Group): void {
  const shelf = shelfOf(cloud, account);
  const user = usersOf(cloud, account, group).find(({ status }) => status !== 'terminated');
  if (user) throw new Ec2Refusal('DependencyViolation', `resource ${group.id} has a dependent object`);
  shelf.groups = shelf.groups.filter((one) => one !== group);
  cloud.parts.changed();
}

/** Machines that are still there, in whatever state. */
export function usersOf(cloud: Cloud, account: Account, group: Group): MachineRecord[] {
  const { groupIds } = shelfOf(cloud, account);
  return Object.entries(groupIds)
    .filter(([, ids]) => ids.includes(group.id))
    .flatMap(([machineId]) => cloud.findMachine(machineId)?.record ?? []);
}

/** All of them or none, and each once. */
export function authorize(group: Group, side: 'ingress' | 'egress', params: QueryNode): void {
  const added = readPermissions(params);
  if (added.some((one, index) => added.slice(0, index).some((other) => isSame(one, other))))
    throw new Ec2Refusal('InvalidParameterValue', 'The same permission must not appear multiple times');
  const twin = added.find((one) => group[side].some((other) => isSame(one, other)));
  if (twin) throw new Ec2Refusal('InvalidPermission.Duplicate', `the specified rule "${inWords(twin)}" already exists`);
  group[side] = [...group[side], ...added];
}

export function revoke(group: Group, side: 'ingress' | 'egress', params: QueryNode): void {
  const removed = readPermissions(params);
  const absent = removed.find((one) => !group[side].some((other) => isSame(one, other)));
  if (absent)
    throw new Ec2Refusal('InvalidPermission.NotFound', 'The specified rule does not exist in this security group');
  group[side] = group[side].filter((other) => !removed.some((one) => isSame(one, other)));
}

/** Brings the rules of the group's machines up to date; what stays keeps its identity. */
export async function refreshUsers(cloud: Cloud, context: CallContext, group: Group): Promise<void> {
  cloud.parts.changed();
  for (const { id } of usersOf(cloud, context.account, group)) await refresh(cloud, context, id);
}

async function refresh(cloud: Cloud, context: CallContext, machineId: string): Promise<void> {
  const wanted = coreRules(groupsOf(cloud, context.account, machineId));
  const { ingressRules } = cloud.get(machineId, context).firewallRules;
  const fresh = wanted.filter((rule) => !ingressRules.some((other) => keyOf(other) === keyOf(rule)));
  const stale = ingressRules.filter((rule) => !wanted.some((other) => keyOf(other) === keyOf(rule)));
  if (fresh.length > 0) await cloud.addFirewallRules(machineId, { ingressRules: fresh }, context);
  for (const { id } of stale) await cloud.removeFirewallRule(machineId, id, context);
}

const NOBODY = '255.255.255.255/32';

/**
 * What the groups let in, as the core says it. In the core SSH is open until a rule covers port 22; here nothing is open
 * that no permission opens.
 */
export function coreRules(groups: readonly Group[]): NewFirewallRule[] {
  const byPorts = new Map<string, NewFirewallRule & { ipRanges: string[] }>();
  for (const { protocol, fromPort = 1, toPort = 65_535, cidr } of groups.flatMap(({ ingress }) => ingress)) {
    if (protocol !== 'tcp' && protocol !== '-1') continue;
    const key = `${fromPort}-${toPort}`;
    const rule = byPorts.get(key) ?? { fromPort, toPort, ipRanges: [] };
    rule.ipRanges.push(cidr);
    byPorts.set(key, rule);
  }
  const rules = [...byPorts.values()].map((rule) => ({
    ...rule,
    ipRanges: ['0.0.0.0/0', '::/0'].every((any) => rule.ipRanges.includes(any)) ? [] : rule.ipRanges,
  }));
  const ssh = rules.filter(({ fromPort, toPort }) => fromPort <= 22 && toPort >= 22);
  if (ssh.length === 0) return [...rules, { fromPort: 22, toPort: 22, ipRanges: [NOBODY] }];
  // Open to all, which is the core's own default.
  return rules.filter(({ fromPort, toPort, ipRanges }) => !(fromPort === 22 && toPort === 22 && ipRanges.length === 0));
}

function keyOf({ fromPort, toPort, ipRanges = [] }: NewFirewallRule): string {
  return `${fromPort}-${toPort} ${[...ipRanges].sort().join()}`;
}

function readPermissions(params: QueryNode): Permission[] {
  const permissions = nodesAt(params, 'IpPermissions').flatMap((node) => {
    const protocol = textAt(node, 'IpProtocol') ?? invalidValue('IpProtocol', undefined);
    const ports = protocol === '-1' ? {} : { fromPort: portAt(node, 'FromPort'), toPort: portAt(node, 'ToPort') };
    const v4 = nodesAt(node, 'IpRanges').map((range) => textAt(range, 'CidrIp') ?? '');
    const v6 = nodesAt(node, 'Ipv6Ranges').map((range) => textAt(range, 'CidrIpv6') ?? '');
    return [...v4, ...v6].map((cidr) => ({ protocol, ...ports, cidr }));
  });
  return permissions.length > 0 ? permissions : invalidValue('ipPermissions', undefined);
}

function portAt(node: QueryNode, name: string): number {
  const text = textAt(node, name);
  const port = Number(text);
  return text !== undefined && Number.isInteger(port) && port >= 0 && port <= 65_535 ? port : invalidValue(name, text);
}

function isSame(a: Permission, b: Permission): boolean {
  return a.protocol === b.protocol && a.fromPort === b.fromPort && a.toPort === b.toPort && a.cidr === b.cidr;
}

function inWords({ cidr, protocol, fromPort, toPort }: Permission): string {
  return `peer: ${cidr}, ${protocol.toUpperCase()}, from port: ${fromPort}, to port: ${toPort}, ALLOW`;
}

export function groupXml(group: Group): Xml {
  return {
    ownerId: '123456789012',
    groupId: group.id,
    groupName: group.name,
    groupDescription: group.description,
    vpcId: VPC_ID,
    ipPermissions: permissionsXml(group.ingress),
    ipPermissionsEgress: permissionsXml(group.egress),
    tagSet: tagsXml(group.tags),
  };
}

export function tagsXml(tags: Record<string, string>): Xml {
  return Object.entries(tags).map(([key, value]) => ({ key, value }));
}

/** EC2 shows permissions of one protocol and range together. */
function permissionsXml(permissions: readonly Permission[]): Xml {
  const byPorts = new Map<string, Permission[]>();
  for (const permission of permissions) {
    const key = `${permission.protocol} ${permission.fromPort} ${permission.toPort}`;
    byPorts.set(key, [...(byPorts.get(key) ?? []), permission]);
  }
  return [...byPorts.values()].map((same) => ({
    ipProtocol: same[0]?.protocol,
    fromPort: same[0]?.fromPort,
    toPort: same[0]?.toPort,
    groups: [],
    ipRanges: same.filter(({ cidr }) => !cidr.includes(':')).map(({ cidr }) => ({ cidrIp: cidr })),
    ipv6Ranges: same.filter(({ cidr }) => cidr.includes(':')).map(({ cidr }) => ({ cidrIpv6: cidr })),
    prefixListIds: [],
  }));
}
