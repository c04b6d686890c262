import { afterEach, describe, expect, it, vi } from 'vitest';
import { conformance } from '../../src/cli/conformance/command.js';
import type { Account } from '../../src/conformance/index.js';
import { ProviderError } from '../../src/domain/errors.js';
import type { CloudInstance } from '../../src/domain/provider.js';
import { attrsFor, calm } from '../adapters/clouds.js';
import { QUICK } from '../adapters/conformance.js';
import { accountWith } from './account.js';

const PLACE = { location: 'us-west-1', instanceType: 'gpu_1x_a10' };
const OF_A_RUN = 'slipway-conf-earlier-1';

afterEach(() => vi.restoreAllMocks());

/** Runs one check. @returns the exit code and what was printed. */
async function run(account: Account, only: string, timing: Partial<typeof QUICK> = {}) {
  const said = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const asked = new Promise<never>(() => undefined);
  const options = { ...PLACE, only: [only], yes: true };
  const code = await conformance('sim-main', options, { account, timing: { ...QUICK, ...timing }, asked });
  return { code, text: said.mock.calls.map(([chunk]) => String(chunk)).join('') };
}

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
