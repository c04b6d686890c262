import type { InstanceRequestInput } from '../../src/domain/instance/index.js';

/** A request that is as full as can be, and has nothing wrong. */
export const VALID_REQUEST: InstanceRequestInput = {
  refId: 'b4f1-7c',
  name: 'trainer-1',
  publicKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMmPLRsTsGbJ3VXzFnTT2Y4g0X6b6xXWz0wOQp0b1kzL ann@host',
  offers: [
    { cloudCredRefId: 'lambda-main', location: 'us-west-1', instanceType: 'gpu_1x_a10' },
    { cloudCredRefId: 'lambda-main', location: 'us-west-1', subLocation: 'b', instanceType: 'gpu_1x_a10' },
  ],
  imageId: 'ubuntu-24.04',
  diskSize: { value: 200, unit: 'GiB' },
  tags: { team: 'a', 'cost:centre': '' },
  firewallRules: {
    ingressRules: [
      { fromPort: 443, toPort: 443, ipRanges: ['203.0.113.0/24', '2001:db8::/32'] },
      { fromPort: 8000, toPort: 8999, ipRanges: [] },
    ],
    egressRules: [],
  },
  userDataBase64: 'IyEvYmluL3NoCg==',
  sshKeyRef: 'control-plane',
  policy: { provisionWithin: '1h', runningToSsh: '90s', maxOffers: 25, onFailure: 'park' },
};

export interface InvalidRequest {
  /** What is wrong, in words. */
  what: string;
  request: unknown;
  /** The field that must be named; '' for the request itself. */
  path: string;
  /** JSON Schema cannot say it, so a caller who only validates against docs/schemas will not see it. */
  beyondJsonSchema?: boolean;
}

type Change = Partial<Record<keyof InstanceRequestInput | 'requirement' | 'extra', unknown>>;
const having = (change: Change): unknown => ({ ...VALID_REQUEST, ...change });
const without = (field: keyof InstanceRequestInput): unknown => {
  const { [field]: _gone, ...rest } = VALID_REQUEST;
  return rest;
};
const offer = { cloudCredRefId: 'lambda-main', location: 'us-west-1', instanceType: 'gpu_1x_a10' };
const offering = (change: Record<string, unknown>) => having({ offers: [{ ...offer, ...change }] });
const ingress = (...rules: unknown[]) => having({ firewallRules: { ingressRules: rules } });
const rule = (change: Record<string, unknown>) => ingress({ fromPort: 80, toPort: 80, ipRanges: [], ...change });
const policy = (change: Record<string, unknown>) => having({ policy: change });

/** One thing wrong in each, and the field that must be named. Every door is tested with it; none may create anything. */
export const INVALID_REQUESTS: InvalidRequest[] = [
  { what: 'nothing', request: null, path: '' },
  { what: 'a list', request: [VALID_REQUEST], path: '' },
  { what: 'a text', request: JSON.stringify(VALID_REQUEST), path: '' },

  { what: 'no refId', request: without('refId'), path: 'refId' },
  { what: 'an empty refId', request: having({ refId: '' }), path: 'refId' },
  { what: 'a number for a refId', request: having({ refId: 42 }), path: 'refId' },
  { what: 'a refId that is too long', request: having({ refId: 'x'.repeat(64) }), path: 'refId' },
  { what: 'a refId with a slash', request: having({ refId: 'a/b' }), path: 'refId' },
  { what: 'a refId that begins with "-"', request: having({ refId: '-a' }), path: 'refId' },
  { what: 'a refId with a line end', request: having({ refId: 'a\n' }), path: 'refId' },

  { what: 'no name', request: without('name'), path: 'name' },
  { what: 'a name of blanks', request: having({ name: '   ' }), path: 'name' },
  { what: 'a name that is too long', request: having({ name: 'x'.repeat(256) }), path: 'name' },
  { what: 'a name of two lines', request: having({ name: 'a\nb' }), path: 'name' },

  { what: 'no public key', request: without('publicKey'), path: 'publicKey' },
  {
    what: 'a private key',
    request: having({ publicKey: '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n' }),
    path: 'publicKey',
  },
  {
    what: 'two public keys',
    request: having({ publicKey: `${VALID_REQUEST.publicKey}\n${VALID_REQUEST.publicKey}` }),
    path: 'publicKey',
  },
  {
    what: 'a public key with options',
    request: having({ publicKey: `no-pty ${VALID_REQUEST.publicKey}` }),
    path: 'publicKey',
  },
  { what: 'a key type nobody takes', request: having({ publicKey: `ssh-dss ${'A'.repeat(80)}` }), path: 'publicKey' },
  {
    what: 'a public key that is no base64',
    request: having({ publicKey: `ssh-ed25519 ${'!'.repeat(60)}` }),
    path: 'publicKey',
  },
  {
    what: 'a public key that is too long',
    request: having({ publicKey: `ssh-rsa ${'A'.repeat(4_096)}` }),
    path: 'publicKey',
  },

  { what: 'no offers', request: without('offers'), path: 'offers' },
  { what: 'an empty list of offers', request: having({ offers: [] }), path: 'offers' },
  { what: 'one offer that is no list', request: having({ offers: offer }), path: 'offers' },
  {
    what: 'too many offers',
    request: having({ offers: Array.from({ length: 101 }, (_one, n) => ({ ...offer, location: `l-${n}` })) }),
    path: 'offers',
  },
  { what: 'an offer that is a text', request: having({ offers: ['us-west-1'] }), path: 'offers[0]' },
  { what: 'the same offer twice', request: having({ offers: [offer, offer] }), path: 'offers[1]' },
  {
    what: 'an offer without a credential',
    request: offering({ cloudCredRefId: undefined }),
    path: 'offers[0].cloudCredRefId',
  },
  {
    what: 'a credential’s secret for its name',
    request: offering({ cloudCredRefId: 'secret_abc/def+ghi=' }),
    path: 'offers[0].cloudCredRefId',
  },
  { what: 'an offer without a location', request: offering({ location: '' }), path: 'offers[0].location' },
  { what: 'an offer without a type', request: offering({ instanceType: null }), path: 'offers[0].instanceType' },
  { what: 'an empty sub-location', request: offering({ subLocation: '' }), path: 'offers[0].subLocation' },
  {
    what: 'an offer with a field we do not know',
    request: offering({ region: 'us-west-1' }),
    path: 'offers[0].region',
  },
  { what: 'a requirement', request: having({ requirement: { gpu: { name: 'H100' } } }), path: 'requirement' },

  { what: 'an empty image', request: having({ imageId: '' }), path: 'imageId' },
  { what: 'a disk size as a number', request: having({ diskSize: 200 }), path: 'diskSize' },
  {
    what: 'a disk size in a unit nobody has',
    request: having({ diskSize: { value: 200, unit: 'gigs' } }),
    path: 'diskSize',
  },
  { what: 'a disk of no size', request: having({ diskSize: { value: 0, unit: 'GiB' } }), path: 'diskSize' },

  { what: 'tags as a list', request: having({ tags: ['team'] }), path: 'tags' },
  { what: 'a tag that is a number', request: having({ tags: { team: 7 } }), path: 'tags.team' },
  { what: 'a tag of two lines', request: having({ tags: { team: 'a\nb' } }), path: 'tags.team' },
  { what: 'a tag value that is too long', request: having({ tags: { team: 'x'.repeat(129) } }), path: 'tags.team' },
  { what: 'a tag key with a blank', request: having({ tags: { 'my team': 'a' } }), path: 'tags.my team' },
  { what: 'a tag that carries our identity', request: having({ tags: { refid: 'mine' } }), path: 'tags.refid' },
  { what: 'a tag with our prefix', request: having({ tags: { 'Slipway-owner': 'me' } }), path: 'tags.Slipway-owner' },
  {
    what: 'too many tags',
    request: having({ tags: Object.fromEntries(Array.from({ length: 41 }, (_one, n) => [`t${n}`, ''])) }),
    path: 'tags',
  },

  { what: 'firewall rules as a list', request: having({ firewallRules: [] }), path: 'firewallRules' },
  {
    what: 'a direction that does not exist',
    request: having({ firewallRules: { ingress: [] } }),
    path: 'firewallRules.ingress',
  },
  {
    what: 'ingress rules that are no list',
    request: having({ firewallRules: { ingressRules: {} } }),
    path: 'firewallRules.ingressRules',
  },
  {
    what: 'too many rules',
    request: ingress(...Array.from({ length: 101 }, () => ({ fromPort: 80, toPort: 80 }))),
    path: 'firewallRules.ingressRules',
  },
  { what: 'a rule that is a port', request: ingress(443), path: 'firewallRules.ingressRules[0]' },
  { what: 'port 0', request: rule({ fromPort: 0 }), path: 'firewallRules.ingressRules[0].fromPort' },
  { what: 'a port beyond the last', request: rule({ toPort: 65_536 }), path: 'firewallRules.ingressRules[0].toPort' },
  { what: 'a port as a text', request: rule({ fromPort: '80' }), path: 'firewallRules.ingressRules[0].fromPort' },
  { what: 'half a port', request: rule({ toPort: 80.5 }), path: 'firewallRules.ingressRules[0].toPort' },
  {
    what: 'a range that runs backwards',
    request: rule({ toPort: 79 }),
    path: 'firewallRules.ingressRules[0].toPort',
    beyondJsonSchema: true,
  },
  {
    what: 'a rule with a protocol',
    request: rule({ protocol: 'tcp' }),
    path: 'firewallRules.ingressRules[0].protocol',
  },
  {
    what: 'an address for a list of networks',
    request: rule({ ipRanges: '0.0.0.0/0' }),
    path: 'firewallRules.ingressRules[0].ipRanges',
  },
  {
    what: 'an address without its prefix',
    request: rule({ ipRanges: ['203.0.113.7'] }),
    path: 'firewallRules.ingressRules[0].ipRanges[0]',
  },
  {
    what: 'a prefix that is too long',
    request: rule({ ipRanges: ['10.0.0.0/33'] }),
    path: 'firewallRules.ingressRules[0].ipRanges[0]',
    beyondJsonSchema: true,
  },
  {
    what: 'a network with a command in it',
    request: rule({ ipRanges: ['10.0.0.0/8; reboot'] }),
    path: 'firewallRules.ingressRules[0].ipRanges[0]',
  },
  {
    what: 'an egress rule with a bad network',
    request: having({ firewallRules: { egressRules: [{ fromPort: 1, toPort: 2, ipRanges: ['::1/129', 'x'] }] } }),
    path: 'firewallRules.egressRules[0].ipRanges[1]',
  },

  { what: 'user data that is no base64', request: having({ userDataBase64: '#!/bin/sh' }), path: 'userDataBase64' },
  {
    what: 'user data with its padding lost',
    request: having({ userDataBase64: 'IyEvYmluL3NoCg' }),
    path: 'userDataBase64',
  },
  {
    what: 'user data that is too long',
    request: having({ userDataBase64: 'A'.repeat(256 * 1024 + 4) }),
    path: 'userDataBase64',
  },
  {
    what: 'a key for a key’s name',
    request: having({ sshKeyRef: '-----BEGIN OPENSSH PRIVATE KEY-----' }),
    path: 'sshKeyRef',
  },

  { what: 'a policy that is a text', request: having({ policy: 'park' }), path: 'policy' },
  { what: 'a duration as a number', request: policy({ provisionWithin: 3600 }), path: 'policy.provisionWithin' },
  { what: 'a duration of two units', request: policy({ pendingToRunning: '1h30m' }), path: 'policy.pendingToRunning' },
  {
    what: 'a duration that is too short',
    request: policy({ runningToSsh: '10ms' }),
    path: 'policy.runningToSsh',
    beyondJsonSchema: true,
  },
  {
    what: 'a duration that is for ever',
    request: policy({ toTerminated: '31d' }),
    path: 'policy.toTerminated',
    beyondJsonSchema: true,
  },
  { what: 'no offers to be tried', request: policy({ maxOffers: 0 }), path: 'policy.maxOffers' },
  { what: 'too many attempts', request: policy({ maxOffers: 1_001 }), path: 'policy.maxOffers' },
  { what: 'a reaction we do not know', request: policy({ onFailure: 'panic' }), path: 'policy.onFailure' },
  { what: 'GPUs as a number', request: policy({ expectGpus: 8 }), path: 'policy.expectGpus' },
  { what: 'GPUs without a count', request: policy({ expectGpus: { name: 'H100' } }), path: 'policy.expectGpus.count' },
  { what: 'half a GPU', request: policy({ expectGpus: { count: 0.5 } }), path: 'policy.expectGpus.count' },
  {
    what: 'a GPU of two lines',
    request: policy({ expectGpus: { count: 1, name: 'H100\nA100' } }),
    path: 'policy.expectGpus.name',
  },
  {
    what: 'a GPU field we do not know',
    request: policy({ expectGpus: { count: 1, memory: 80 } }),
    path: 'policy.expectGpus.memory',
  },
  {
    what: 'a firewall that is maybe proved',
    request: policy({ verifyFirewall: 'yes' }),
    path: 'policy.verifyFirewall',
  },
  { what: 'a policy field we do not know', request: policy({ provisonWithin: '1h' }), path: 'policy.provisonWithin' },

  { what: 'a field we do not know', request: having({ extra: 1 }), path: 'extra' },
  { what: 'null for a field that may be missing', request: having({ imageId: null }), path: 'imageId' },
];
