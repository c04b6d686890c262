import { describe, expect, it } from 'vitest';
import { ProviderError } from '../../src/domain/errors.js';
import { machineOf, WatchedAccount } from '../support/watched-account.js';

describe('a stray whose workflow cannot be looked up', () => {
  it('costs a warning, never the worker: the next listing asks again', async () => {
    const account = new WatchedAccount();
    account.machines = [machineOf('late')];
    account.workflows.set('late', new Error('14 UNAVAILABLE'));
    const watching = account.watch();
    await expect.poll(() => account.warnings).toContainEqual(expect.stringContaining('could not be followed up'));
    account.workflows.set('late', 'TERMINATED');
    expect(await watching).toBe('settled');
    expect(account.machines, 'it was ended').toEqual([]);
  });
});

describe('a stray that is only reported', () => {
  it('is spoken of once, keeps nobody alert, and is asked about no more for a long while', async () => {
    const account = new WatchedAccount();
    account.machines = [machineOf('foreign')];
    expect(await account.watch()).toBe('settled');
    const watching = account.watch('settled');
    const enough = account.listings + 10;
    await expect.poll(() => account.listings).toBeGreaterThan(enough);
    expect(account.warnings).toEqual([expect.stringContaining('left alone by policy')]);
    expect(account.describes).toBe(1);
    account.machines = [machineOf('foreign', { status: 'stopping' })];
    expect(await watching).toBe('alert');
  });
});

describe('a machine that arrived after its instance was over', () => {
  const refusal = new ProviderError({ kind: 'NotYet', message: 'minimum term', operation: 'terminateInstance' });
  const pricePerHour = { amount: '2.50', currency: 'USD' };
  const owing = async () => {
    const account = new WatchedAccount({ timing: { settledIntervalMs: 60_000 } });
    account.workflows.set('late', 'TERMINATED');
    account.machines = [machineOf('late', { pricePerHour })];
    account.refusal = refusal;
    const watching = account.watch();
    await expect.poll(() => account.owed.get('i-late')?.failure).toMatchObject({ kind: 'NotYet' });
    return { account, watching };
  };

  it('is owed until it is gone: what, since when, at what price, and why not yet', async () => {
    const { account, watching } = await owing();
    expect(account.owed.get('i-late')).toMatchObject({
      refId: 'late',
      cause: 'stray',
      offer: { location: 'us-west-1', instanceType: 'gpu_1x_a10' },
      pricePerHour,
      failure: { kind: 'NotYet', message: 'minimum term' },
    });
    account.refusal = undefined;
    expect(await watching).toBe('settled');
    expect(account.machines).toEqual([]);
    expect(account.owed.size).toBe(0);
  });

  it('is not ordered to go with every listing', async () => {
    const { account, watching } = await owing();
    const enough = account.listings + 50;
    await expect.poll(() => account.listings).toBeGreaterThan(enough);
    expect(account.orders).toBe(1);
    account.refusal = undefined;
    await watching;
  });

  it('is owed no more when it went while nobody watched', async () => {
    const { account, watching } = await owing();
    const another = new WatchedAccount();
    for (const [cloudId, debt] of account.owed) another.owed.set(cloudId, debt);
    account.refusal = undefined;
    await watching;
    expect(await another.watch()).toBe('settled');
    expect(another.owed.size).toBe(0);
  });
});

describe('a watch that never comes to rest', () => {
  it('comes back to its workflow after its turn, and the next one goes on from what it told', async () => {
    const account = new WatchedAccount({ timing: { turnMs: 20 } });
    account.workflows.set('busy', 'RUNNING');
    account.machines = [machineOf('busy', { status: 'stopping' })];
    expect(await account.watch()).toBe('alert');
    const told = account.signals.length;
    expect(await account.watch()).toBe('alert');
    expect(told).toBe(1);
    expect(account.signals).toHaveLength(told);
  });

  it('does so while nothing can be listed', async () => {
    const account = new WatchedAccount({ timing: { turnMs: 20 } });
    account.outage = new Error('503');
    expect(await account.watch()).toBe('alert');
  });
});

describe('an owner that went away without a word', () => {
  const settled = async (ownersIntervalMs: number) => {
    const account = new WatchedAccount({ timing: { ownersIntervalMs } });
    account.workflows.set('ready', 'RUNNING');
    account.machines = [machineOf('ready')];
    expect(await account.watch()).toBe('settled');
    return account;
  };

  it('is missed: its machine is judged a stray although nothing about it changes, and is ended', async () => {
    const account = await settled(1);
    account.workflows.set('ready', 'TERMINATED');
    expect(await account.watch('settled')).toBe('alert');
    expect(await account.watch()).toBe('settled');
    expect(account.machines).toEqual([]);
  });

  it('is not made up by a visibility that lags: an instance that it does not show is asked itself', async () => {
    const account = await settled(1);
    account.isVisible = false;
    const watching = account.watch('settled');
    await expect.poll(() => account.signals.map(({ name }) => name)).toContain('observed');
    account.machines = [machineOf('ready', { status: 'stopping' })];
    expect(await watching).toBe('alert');
    expect(account.describes, 'as a stray’s workflow is').toBe(0);
    expect(account.machines).toHaveLength(1);
  });

  it('has an opposite: a resting instance whose machine is in no listing is told again', async () => {
    const account = await settled(1);
    account.machines = [];
    expect(await account.watch('settled')).toBe('alert');
    expect(await account.watch()).toBe('settled');
    const told = account.signals.length;
    const watching = account.watch('settled');
    await expect.poll(() => account.signals.slice(told)).toContainEqual(expect.objectContaining({ name: 'missing' }));
    account.machines = [machineOf('ready', { status: 'stopping' })];
    await watching;
  });
});
