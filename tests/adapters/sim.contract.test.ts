import type { Capability } from '../../src/domain/provider.js';
import { API_KEY } from './clouds.js';
import { type AdapterHarness, describeAdapter } from './contract.js';

/** What the credential says in a field of its own. */
const IDEMPOTENT = 'create-instance-idempotent';

const harness = (lacks: readonly Capability[]): AdapterHarness => ({
  provider: 'sim',
  credential: (cloud, overrides) => ({
    cloudCredRefId: 'sim-main',
    provider: 'sim',
    apiUrl: `${cloud.url}/sim/v1`,
    apiKey: API_KEY,
    without: lacks.filter((one) => one !== IDEMPOTENT),
    idempotentCreate: !lacks.includes(IDEMPOTENT),
    ...overrides,
  }),
  place: { location: 'us-west-1', subLocation: 'us-west-1a', instanceType: 'gpu_1x_a10' },
  lacks,
  simcloud: { accounts: [{ apiKey: API_KEY, name: 'default', idempotentCreate: true }] },
  // Rules that nobody can apply are refused, so there is none to be proved open.
  ...(lacks.includes('modify-firewall') && { unproved: ['firewall.open'] }),
});

const POORER = [
  IDEMPOTENT,
  'stop-start-instance',
  'reboot-instance',
  'modify-firewall',
  'tags',
  'instance-userdata',
  'resize-instance-volume',
  'change-instance-type',
] as const;

describeAdapter('the sim adapter', harness([]));
describeAdapter('the sim adapter, as a poorer cloud', harness(POORER));
