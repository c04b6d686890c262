import { describe, expect, it } from 'vitest';
import { asSeenFrom, bastionField, findBastions } from '../../src/adapters/bastion.js';
import type { CloudInstance, CreateOutcome, Provider } from '../../src/domain/provider.js';
import { cloudInstance } from '../domain/stories.js';

const CONFIG = {
  host: '2001:db8::1',
  user: 'ops',
  hostKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMmPLRsTsGbJ3VXzFnTT2Y4g0X6b6xXWz0wOQp0b1kzL',
};
const calm = new AbortController().signal;

/** As adapters are: a class with private fields, which a copy would not have. */
class Cloud {
  readonly id = 'any';
  readonly #machine: CloudInstance;
  constructor(machine: CloudInstance) {
    this.#machine = machine;
  }
  async createInstance(): Promise<CreateOutcome> {
    return { outcome: 'exists', instance: this.#machine, adopted: false };
  }
  async getInstance(): Promise<CloudInstance> {
    return this.#machine;
  }
  async listInstances(): Promise<CloudInstance[]> {
    return [this.#machine];
  }
  async listLocations(): Promise<string[]> {
    return [this.#machine.location];
  }
}

async function addresses(machine: Partial<CloudInstance>, dials?: 'private' | 'public') {
  const { publicAddress: _, ...bare } = cloudInstance();
  const cloud = new Cloud({ ...bare, ...machine }) as unknown as Provider;
  const provider = asSeenFrom(bastionField.parse({ ...CONFIG, ...(dials && { dials }) }), cloud);
  const created = await provider.createInstance({} as never, calm);
  const [listed] = await provider.listInstances(calm);
  const got = await provider.getInstance('m-1', 'us-west-1', calm);
  expect(await provider.listLocations(calm)).toHaveLength(1);
  const each = [created.outcome === 'exists' ? created.instance : undefined, listed, got];
  return [...new Set(each.map((one) => one?.publicAddress))];
}

describe('a machine of an account with a bastion', () => {
  it('is reached at its private address, also where it has no other', async () => {
    expect(await addresses({ privateAddress: '10.0.0.7' })).toEqual(['10.0.0.7']);
    expect(await addresses({ privateAddress: '10.0.0.7', publicAddress: '192.0.2.7' })).toEqual(['10.0.0.7']);
  });

  it('is reached at its public one where that is all there is, or what is asked for', async () => {
    expect(await addresses({ publicAddress: '192.0.2.7' })).toEqual(['192.0.2.7']);
    expect(await addresses({ privateAddress: '10.0.0.7', publicAddress: '192.0.2.7' }, 'public')).toEqual([
      '192.0.2.7',
    ]);
  });
});

describe('the bastions of credentials', () => {
  it('are found by credential, with port 22 unless another is named', () => {
    const bastions = findBastions([
      { cloudCredRefId: 'a', provider: 'sim', bastion: CONFIG },
      { cloudCredRefId: 'b', provider: 'sim' },
    ]);
    expect([...bastions]).toMatchObject([['a', { host: '2001:db8::1', port: 22, dials: 'private' }]]);
  });
});
