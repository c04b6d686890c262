import { DEFAULT_CATALOG, NEBIUS_TENANT } from '../../src/simcloud/index.js';
import { serviceAccountKey, withServiceAccount } from '../support/nebius.js';
import { sshPortHere } from '../support/vendor-ssh.js';
import { API_KEY } from './clouds.js';
import { describeAdapter } from './contract.js';

const [a10] = DEFAULT_CATALOG.instanceTypes;
if (a10?.gpu === undefined) throw new Error('the catalog begins with an A10');
/** Another preset of its platform: a change of type stays within one. */
const two = { ...a10, name: 'gpu_2x_a10', gpu: { ...a10.gpu, count: 2 }, vcpu: 60 };

const sshPort = await sshPortHere();

describeAdapter('the Nebius adapter', {
  provider: 'nebius',
  credential: (cloud, { apiKey, timeoutMs, ...overrides } = {}) => ({
    cloudCredRefId: 'nebius-main',
    provider: 'nebius',
    apiUrl: cloud.url,
    serviceAccountKey: serviceAccountKey(apiKey === undefined ? 'ours' : 'stranger'),
    tenantId: NEBIUS_TENANT,
    // As fast as it goes; and the cloud's clock stands still, so that no operation ends while somebody waits.
    createsPerMinute: 600_000,
    acceptMs: 0,
    sshPort,
    // The first call of a connection takes longer than others do.
    ...(timeoutMs !== undefined && { timeoutMs: Math.max(timeoutMs, 1_500) }),
    ...overrides,
  }),
  // The first project to be listed: a fault that strikes one listing strikes there.
  place: { location: 'eu-north-1', instanceType: 'gpu-a10.1gpu-30vcpu-200gb' },
  placeInSimcloud: { location: 'eu-north-1', instanceType: 'gpu_1x_a10' },
  lacks: ['reboot-instance', 'modify-firewall', 'resize-instance-volume'],
  simcloud: {
    accounts: [withServiceAccount({ apiKey: API_KEY, name: 'default' })],
    catalog: { ...DEFAULT_CATALOG, instanceTypes: [...DEFAULT_CATALOG.instanceTypes, two] },
  },
  createShowsAll: false,
});
