import { describe, expect, it, vi } from 'vitest';
import { HttpClient } from '../../src/adapters/http.js';
import { keyNameOf } from '../../src/adapters/key-names.js';
import { LambdaProvider } from '../../src/adapters/lambda-labs/adapter.js';
import { LambdaClient } from '../../src/adapters/lambda-labs/client.js';
import { TAG } from '../../src/adapters/lambda-labs/identity.js';
import { attemptKey } from '../../src/domain/ids.js';
import type { CreateInstanceAttrs } from '../../src/domain/provider.js';
import type { NewFault, Simcloud } from '../../src/simcloud/index.js';
import { API_KEY, attrsFor, calm, cloudWith, PUBLIC_KEY, STEP_MS } from './clouds.js';

/* No SSH key outlives its machine, none is taken from one that lives: against the dialect, which keeps the keys. */

const PLACE = { location: 'us-west-1', instanceType: 'gpu_1x_a10' };
const LIMITS = { pollIntervalMs: 1_000, listingLagMs: 0 };

async function scene(keyTiming = {}, limits = LIMITS) {
  const cloud = await cloudWith({ refIdTag: TAG.refId });
  const baseUrl = `${cloud.url}/lambda-labs/api/v1`;
  const authorise = () => ({ authorization: `Bearer ${API_KEY}` });
  const client = new LambdaClient(new HttpClient({ baseUrl, authorise, limits: {} }));
  const options = { cloudCredRefId: 'lambda-main', sshPort: 22, limits, keyTiming };
  const provider = new LambdaProvider(client, options);
  const attrs = (refId: string, attempt = 1): CreateInstanceAttrs =>
    attrsFor(refId, { ...PLACE, cloudCredRefId: 'lambda-main', attemptKey: attemptKey(refId, attempt) });
  return {
    cloud,
    client,
    provider,
    attrs,
    strike: (fault: NewFault) => cloud.control.addFault(fault),
    create: async (refId: string, attempt = 1) => {
      const outcome = await provider.createInstance(attrs(refId, attempt), calm);
      return outcome.outcome === 'exists' ? outcome.instance.cloudId : outcome.outcome;
    },
    end: (cloudId: string) => provider.terminateInstance(cloudId, PLACE.location, calm),
    list: async () => {
      const instances = await provider.listInstances(calm);
      await provider.sshKeys.settled();
      return instances;
    },
    keys: () => keyNames(cloud),
  };
}

async function keyNames({ control }: Simcloud): Promise<string[]> {
  const [shelf] = await control.shelves();
  return ((shelf?.holds as { keys: { name: string }[] } | undefined)?.keys ?? []).map(({ name }) => name).sort();
}

describe('the SSH key of a machine', () => {
  it('goes with the first listing that shows the machine on its way out', async () => {
    const { create, end, list, keys, attrs } = await scene();
    const [first] = [await create('ref-1'), await create('ref-2')];
    await list();
    expect(await keys()).toHaveLength(2);
    await end(first ?? '');
    await list();
    expect(await keys()).toEqual([keyNameOf(attrs('ref-2'))]);
  });

  it('goes too when somebody else ended the machine, or the provider took it back', async () => {
    const { create, list, keys, cloud } = await scene();
    const cloudId = await create('ref-1');
    await cloud.control.advance(STEP_MS);
    await cloud.control.stop(cloudId);
    expect(await list()).toMatchObject([{ status: 'terminated', statusMessage: 'preempted' }]);
    expect(await keys()).toEqual([]);
    expect((await cloud.control.report()).running).toBe(0);
  });

  it('stays while another machine of the account was launched with it', async () => {
    const { create, end, list, keys, client, attrs } = await scene();
    const cloudId = await create('ref-1');
    const name = keyNameOf(attrs('ref-1'));
    const launch = { region_name: PLACE.location, instance_type_name: PLACE.instanceType, name: 'mine', user_data: '' };
    const { value: foreign } = await client.launch({ ...launch, ssh_key_names: [name], tags: [] }, [], calm);
    await end(cloudId);
    await list();
    expect(await keys()).toEqual([name]);
    await end(foreign);
    await list();
    expect(await keys()).toEqual([]);
  });

  it('is not the next attempt’s: cleaning up after one takes nothing from the other', async () => {
    const { create, end, list, keys, attrs } = await scene();
    await end(await create('ref-1', 1));
    await create('ref-1', 2);
    await list();
    expect(await keys()).toEqual([keyNameOf(attrs('ref-1', 2))]);
  });

  it('is tried again with a later listing when it could not be removed, and fails no listing', async () => {
    const { create, end, list, keys, strike } = await scene();
    await end(await create('ref-1'));
    await strike({ operation: 'other', kind: 'error-503', times: 2 });
    await list();
    await list();
    expect(await keys()).toHaveLength(1);
    await list();
    expect(await keys()).toEqual([]);
  });

  it('goes when the launch is refused', async () => {
    const { create, keys, strike } = await scene();
    await strike({ operation: 'create', kind: 'out-of-stock' });
    expect(await create('ref-1')).toBe('refused');
    expect(await keys()).toEqual([]);
  });

  it('goes after a launch without an answer that made nothing, once the listing lag has passed', async () => {
    const { create, list, keys, strike } = await scene({}, { ...LIMITS, listingLagMs: 20 });
    await strike({ operation: 'create', kind: 'drop-before-work' });
    expect(await create('ref-1')).toBe('unknown');
    const before = Date.now();
    await list();
    if (Date.now() - before < 20) expect(await keys()).toHaveLength(1);
    await vi.waitFor(
      async () => {
        await list();
        expect(await keys()).toEqual([]);
      },
      { timeout: 20_000 },
    );
  });

  it('stays after a launch without an answer that made a machine', async () => {
    const { create, list, keys, strike } = await scene();
    await strike({ operation: 'create', kind: 'drop-answer-after-work' });
    expect(await create('ref-1')).toBe('unknown');
    await list();
    await list();
    expect(await keys()).toHaveLength(1);
    expect(await create('ref-1')).toMatch(/^i-/);
  });

  it('goes when a lost answer to its own adding refused the create', async () => {
    const { create, list, keys, strike } = await scene();
    await strike({ operation: 'other', kind: 'drop-answer-after-work' });
    expect(await create('ref-1')).toBe('refused');
    await list();
    expect(await keys()).toEqual([]);
  });

  it('that a dead worker left is found, left alone for as long as a create may take, and then removed', async () => {
    const { client, list, keys, attrs } = await scene({ orphanMs: 30, lookEveryMs: 0 });
    await client.addSshKey(keyNameOf(attrs('ref-1')), PUBLIC_KEY, calm);
    await client.addSshKey('somebody’s', PUBLIC_KEY, calm);
    await client.addSshKey(keyNameOf({ ...attrs('ref-1'), cloudCredRefId: 'another' }), PUBLIC_KEY, calm);
    await list();
    expect(await keys()).toHaveLength(3);
    await vi.waitFor(
      async () => {
        await list();
        expect(await keys()).toHaveLength(2);
      },
      { timeout: 20_000 },
    );
    expect(await keys()).not.toContain(keyNameOf(attrs('ref-1')));
  });
});

describe('many creates at once', () => {
  it('are told when to come back, before anything is sent, where the wait would outlast their activity', async () => {
    const { provider, attrs, cloud } = await scene({}, { ...LIMITS, ...{ createsPerMinute: 5 } });
    const outcomes = await Promise.all(
      Array.from({ length: 9 }, (_, index) => provider.createInstance(attrs(`ref-${index}`), calm)),
    );
    const refused = outcomes.flatMap((outcome) => (outcome.outcome === 'refused' ? [outcome.failure] : []));
    expect(refused).toHaveLength(3);
    expect(refused[0]).toMatchObject({ kind: 'RateLimited', retryAfterMs: expect.any(Number) });
    expect((await cloud.control.calls()).byOperation.create).toBe(6);
  });
});
