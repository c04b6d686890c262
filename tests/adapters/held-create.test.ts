import { afterEach, describe, expect, it, vi } from 'vitest';
import { SecurityGroups } from '../../src/adapters/aws/security-groups.js';
import { createHolding, type Held } from '../../src/adapters/held-create.js';
import { SshKeys } from '../../src/adapters/ssh-keys.js';
import type { Provider } from '../../src/domain/provider.js';
import { READY, scriptedEc2 } from './aws-script.js';
import { json, scripted } from './canned.js';
import { API_KEY, attrsFor, calm } from './clouds.js';

const key = { cloudCredRefId: 'main', apiUrl: 'http://vendor.test/v1', apiKey: API_KEY, createsPerMinute: 600_000 };
const lambda = {
  'GET /instances': json(200, { data: [] }),
  'POST /instance-operations/launch': json(200, { data: { instance_ids: ['i-1'] } }),
};
const shadeform = {
  'GET /instances': json(200, { instances: [] }),
  'POST /instances/create': json(200, { id: 'i-1' }),
};

/** Each provider that holds something beside the machine, with what it asks for up to its create. */
const PROVIDERS: [string, () => Provider, { location: string; subLocation?: string; instanceType: string }][] = [
  [
    'lambda-labs',
    () => scripted({ ...key, provider: 'lambda-labs' }, lambda).provider,
    { location: 'us-west-1', instanceType: 'gpu_1x_a10' },
  ],
  [
    'shadeform',
    () => scripted({ ...key, provider: 'shadeform' }, shadeform).provider,
    { location: 'desmoines-usa-1', instanceType: 'massedcompute_L40' },
  ],
  [
    'aws',
    () => scriptedEc2(READY, { cloudCredRefId: 'main' }).provider,
    { location: 'us-east-1', instanceType: 'g5.xlarge' },
  ],
];

afterEach(() => vi.restoreAllMocks());

describe('a machine that was made', () => {
  it.each(PROVIDERS)(
    '%s: exists, whatever happens to what was made beside it, which stays',
    async (_id, open, place) => {
      const release = vi.fn<Held['release']>(async () => {
        throw new TypeError('a bug of ours');
      });
      vi.spyOn(SshKeys.prototype, 'hold').mockResolvedValue({ id: 'k-1', name: 'k-1', publicKey: '', release });
      const group = { id: 'sg-1', createdAt: '2026-03-01T12:00:00.000Z', release };
      vi.spyOn(SecurityGroups.prototype, 'hold').mockResolvedValue(group);
      const attrs = attrsFor('ref-1', { ...place, cloudCredRefId: 'main' });
      expect(await open().createInstance(attrs, calm)).toMatchObject({
        outcome: 'exists',
        instance: { cloudId: 'i-1' },
      });
      expect(release.mock.calls).toEqual([['keep']]);
    },
  );

  it('is a doubt, and no refusal, when its answer cannot be told as an instance', async () => {
    const release = vi.fn<Held['release']>(async () => undefined);
    const telling = createHolding({
      held: { release },
      send: async () => ({ value: 'i-1' }),
      isRefusal: () => true,
      toFailure: () => ({ kind: 'InvalidRequest', message: 'no' }),
      toInstance: () => {
        throw new TypeError('a bug of ours');
      },
    });
    await expect(telling).rejects.toThrow(TypeError); // the activity makes an unknown outcome of it
    expect(release.mock.calls).toEqual([['keep']]);
  });
});
