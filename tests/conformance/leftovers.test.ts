import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/conformance/index.js';
import { ProviderError } from '../../src/domain/errors.js';
import type { CloudInstance } from '../../src/domain/provider.js';
import { attrsFor, calm } from '../adapters/clouds.js';
import { accountWith, PLACE, run } from './account.js';

const OF_A_RUN = 'slipway-conf-earlier-1';

/** What a run that crashed has left. */
async function leave(account: Account): Promise<CloudInstance> {
  const outcome = await account
    .open()
    .createInstance(attrsFor(OF_A_RUN, { ...PLACE, cloudCredRefId: 'sim-main' }), calm);
  if (outcome.outcome !== 'exists') throw new Error('not made');
  return outcome.instance;
}

describe('what a run that crashed has left', () => {
  it('is found and ended, though the first listings fail', async () => {
    let listings = 0;
    const { account, cloud } = await accountWith({
      adapter: (good) => ({
        listInstances: async (signal) => {
          listings += 1;
          if (listings < 3) throw new ProviderError({ kind: 'ServiceUnavailable', message: 'not now' });
          return await good.listInstances(signal);
        },
      }),
    });
    await leave(account);
    expect(await run(account, 'locations')).toMatchObject({ code: 0 });
    expect((await cloud.control.ledger()).filter(({ isLive }) => isLive)).toEqual([]);
  });

  it('is told, and fails the next run, when it cannot be ended', async () => {
    const { account } = await accountWith({ adapter: () => ({ terminateInstance: async () => undefined }) });
    const { cloudId } = await leave(account);
    const { code, text } = await run(account, 'locations', { goneMs: 500, sideResourcesMs: 500 });
    expect(text).toMatch(new RegExp(`STILL THERE.*${cloudId} of ${OF_A_RUN}`));
    expect(code).toBe(1);
  });

  it('fails the next run when nobody can see whether there is any', async () => {
    const { account } = await accountWith({
      adapter: () => ({
        listInstances: async () => {
          throw new ProviderError({ kind: 'InvalidRequest', message: 'never' });
        },
      }),
    });
    const { code, text } = await run(account, 'locations');
    expect(text).toMatch(/STILL THERE.*earlier runs/);
    expect(code).toBe(1);
  });

  it('is also a key or a group, which fails the next run unless the adapter takes it away', async () => {
    let keys = [{ kind: 'ssh-key', name: 'key-1', refId: OF_A_RUN }];
    const { account } = await accountWith({ adapter: () => ({ listSideResources: async () => keys }) });
    const { code, text } = await run(account, 'locations', { sideResourcesMs: 500 });
    expect(text).toMatch(new RegExp(`STILL THERE.*ssh-key key-1 of ${OF_A_RUN}`));
    expect(code).toBe(1);
    keys = [];
    expect(await run(account, 'locations')).toMatchObject({ code: 0 });
  });
});

describe('what this run made', () => {
  it('is ended also when the adapter loses whose it is, in the answer and in listings', async () => {
    const anonymous = (one: CloudInstance): CloudInstance => ({ ...one, refId: undefined });
    const { account, cloud } = await accountWith({
      adapter: (good) => ({
        createInstance: async (attrs, signal) => {
          const outcome = await good.createInstance(attrs, signal);
          return outcome.outcome === 'exists' ? { ...outcome, instance: anonymous(outcome.instance) } : outcome;
        },
        listInstances: async (signal) => (await good.listInstances(signal)).map(anonymous),
      }),
    });
    expect(await run(account, 'create.echo')).toMatchObject({ code: 1 });
    expect((await cloud.control.ledger()).filter(({ isLive }) => isLive)).toEqual([]);
  });

  it('is not what a create only found: that stays, and is told', async () => {
    const foreign = 'somebody-s-1';
    const { account, cloud } = await accountWith({
      adapter: (good) => ({
        createInstance: async (attrs, signal) => await good.createInstance({ ...attrs, refId: foreign }, signal),
      }),
    });
    const theirs = await account
      .open()
      .createInstance(attrsFor(foreign, { ...PLACE, cloudCredRefId: 'sim-main' }), calm);
    const cloudId = theirs.outcome === 'exists' ? theirs.instance.cloudId : '';
    const { code, text } = await run(account, 'create.accepted');
    expect(text).toMatch(new RegExp(`STILL THERE.*${cloudId}`));
    expect(code).toBe(1);
    expect((await cloud.control.ledger()).filter(({ isLive }) => isLive)).toHaveLength(1);
  });
});
