import { accessKeyIdOf, DEFAULT_CATALOG } from '../../src/simcloud/index.js';
import { sshPortHere } from '../support/vendor-ssh.js';
import { API_KEY } from './clouds.js';
import { describeAdapter } from './contract.js';

const sshPort = await sshPortHere();

describeAdapter('the AWS adapter', {
  provider: 'aws',
  credential: (cloud, { apiKey = API_KEY, ...overrides } = {}) => ({
    cloudCredRefId: 'aws-main',
    provider: 'aws',
    apiUrl: `${cloud.url}/aws`,
    accessKeyId: accessKeyIdOf(API_KEY),
    secretAccessKey: apiKey,
    regions: ['us-west-1', 'us-east-1'],
    prices: Object.fromEntries(
      DEFAULT_CATALOG.instanceTypes.map(({ name, pricePerHour }) => [name, pricePerHour.amount]),
    ),
    sshPort,
    // As fast as it goes.
    requestsPerSecond: 100_000,
    createsPerMinute: 600_000,
    ...overrides,
  }),
  place: { location: 'us-west-1', subLocation: 'us-west-1a', instanceType: 'gpu_1x_a10' },
  lacks: [],
  tellsStock: false,
  // EC2 does not say what is sold out, so the suite finds nothing to ask for; below a fault says it.
  unproved: ['create.no-stock'],
});
