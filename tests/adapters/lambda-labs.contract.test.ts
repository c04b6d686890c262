import { describe, expect, it } from 'vitest';
import { TAG } from '../../src/adapters/lambda-labs/identity.js';
import { DIALECTS } from '../support/dialects.js';
import { sshPortHere } from '../support/vendor-ssh.js';
import { API_KEY } from './clouds.js';
import { describeAdapter } from './contract.js';
import { wireTruth } from './wire-truth.js';

const wire = wireTruth({
  file: 'lambdalabs.yaml',
  below: '/lambda-labs',
  exceptions: [
    [/answered 429/, 'the document names the rate limit, and no answer for it: it is Cloudflare’s page'],
    [/answered 50[023]/, 'the document has global/internal-error and provider/* as bodies, and no 5xx that carry them'],
    [/terminate answered 409/, 'a minimum term is simcloud’s own; it says so as Lambda says that a machine is busy'],
    [
      /answered 200: .*\/status must be equal to one of the allowed values/,
      '`error`: gone from the document, known to older clients, and the only word for a machine that failed',
    ],
  ],
});

const sshPort = await sshPortHere();

describeAdapter('the Lambda adapter', {
  provider: 'lambda-labs',
  credential: (cloud, overrides) => ({
    cloudCredRefId: 'lambda-main',
    provider: 'lambda-labs',
    apiUrl: `${cloud.url}/lambda-labs/api/v1`,
    apiKey: API_KEY,
    // As fast as it goes: the limits have tests of their own.
    requestsPerSecond: 10_000,
    createsPerMinute: 600_000,
    sshPort,
    ...overrides,
  }),
  place: { location: 'us-west-1', instanceType: 'gpu_1x_a10' },
  lacks: [
    'create-instance-idempotent',
    'stop-start-instance',
    'modify-firewall',
    'tags',
    'change-instance-type',
    'resize-instance-volume',
  ],
  simcloud: { refIdTag: TAG.refId },
  prepare: DIALECTS['lambda-labs']?.prepare,
  fetch: wire.fetch,
  identityTags: (refId, cloudCredRefId, attemptKey) => ({
    [TAG.refId]: refId,
    [TAG.cloudCredRefId]: cloudCredRefId,
    ...(attemptKey && { [TAG.attemptKey]: attemptKey }),
  }),
  paginates: false,
  createShowsAll: false,
});

describe('the wire, in the tests above', () => {
  it.skipIf(!wire.isHere)('is as the vendor’s document says, both ways, but for exceptions that give a reason', () => {
    expect(wire.faults()).toEqual([]);
    expect(wire.unusedExceptions()).toEqual([]);
  });

  it.skipIf(!wire.isHere)('was seen in every operation that the adapter uses', () => {
    const operations = new Set(wire.seen().map((about) => about.replace(/ \d+$/, '')));
    expect([...operations].sort()).toEqual([
      'DELETE /api/v1/ssh-keys/{id}',
      'GET /api/v1/firewall-rules',
      'GET /api/v1/instance-types',
      'GET /api/v1/instances',
      'GET /api/v1/instances/{id}',
      'GET /api/v1/regions',
      'GET /api/v1/ssh-keys',
      'POST /api/v1/instance-operations/launch',
      'POST /api/v1/instance-operations/restart',
      'POST /api/v1/instance-operations/terminate',
      'POST /api/v1/ssh-keys',
    ]);
  });
});
