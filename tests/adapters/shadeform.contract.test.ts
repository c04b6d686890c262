import { describe, expect, it } from 'vitest';
import { API_KEY } from './clouds.js';
import { describeAdapter } from './contract.js';
import { wireTruth } from './wire-truth.js';

const wire = wireTruth({
  file: 'shadeform.yaml',
  below: '/shadeform/v1',
  exceptions: [
    [/answered (?!200)\d{3}, and the document has no such answer/, 'the document has no refusals at all, only 200'],
  ],
});

describeAdapter('the Shadeform adapter', {
  provider: 'shadeform',
  credential: (cloud, overrides) => ({
    cloudCredRefId: 'shade-main',
    provider: 'shadeform',
    apiUrl: `${cloud.url}/shadeform/v1`,
    apiKey: API_KEY,
    // As fast as it goes.
    createsPerMinute: 600_000,
    ...overrides,
  }),
  place: { location: 'us-west-1', instanceType: 'simcloud_gpu_1x_a10' },
  placeInSimcloud: { location: 'us-west-1', instanceType: 'gpu_1x_a10' },
  lacks: [
    'create-instance-idempotent',
    'stop-start-instance',
    'modify-firewall',
    'change-instance-type',
    'resize-instance-volume',
  ],
  fetch: wire.fetch,
  typeIdOf: ({ location, instanceType }) => `${instanceType}_${location}`,
  kindOf500: 'ServiceUnavailable',
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
      'GET /instances',
      'GET /instances/types',
      'GET /instances/{id}/info',
      'GET /sshkeys',
      'POST /instances/create',
      'POST /instances/{id}/delete',
      'POST /instances/{id}/restart',
      'POST /instances/{id}/update',
      'POST /sshkeys/add',
      'POST /sshkeys/{id}/delete',
    ]);
  });
});
