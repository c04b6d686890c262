import { describe, expect, it } from 'vitest';
import type { WatchInput } from '../../src/activities/types.js';
import { machineOf, WatchedAccount, type WatchedAccountOptions } from '../support/watched-account.js';

const OFFER = 'sim/us-west-1/gpu_1x_a10';
const HOUR = 3_600_000;
const typeAt = (isAvailable: boolean, subLocation?: string) => ({
  location: 'us-west-1',
  instanceType: 'gpu_1x_a10',
  isAvailable,
  ...(subLocation && { subLocation }),
});

/** An account where the offer was sold out a moment ago, and a request that waits for it. */
function waitingAccount(options: WatchedAccountOptions = {}): WatchedAccount {
  const account = new WatchedAccount(options);
  account.workflows.set('waiter', 'RUNNING');
  account.refusals = { [OFFER]: { count: 3, untilMs: Date.now() + HOUR } };
  account.types = [typeAt(false)];
  return account;
}

/** Watches until the test ends it: a machine that begins to move makes a settled watch alert. */
function watching(account: WatchedAccount, watchfulness: WatchInput['watchfulness'] = 'settled') {
  const next = account.watch(watchfulness);
  return async () => {
    account.workflows.set('moving', 'RUNNING');
    account.machines = [machineOf('moving', { status: 'stopping' })];
    return await next;
  };
}

const woken = (account: WatchedAccount) =>
  account.signals.filter(({ refId, name }) => refId === 'waiter' && name === 'stocked');
const looks = async (account: WatchedAccount, more = 5) => {
  const enough = account.catalogs + more;
  await expect.poll(() => account.catalogs).toBeGreaterThan(enough);
};

describe('a sold-out offer that the catalog shows as available again', () => {
  it('wakes those who wait for it, once, and one of them may ask', async () => {
    const account = waitingAccount();
    const end = watching(account);
    await looks(account);
    expect(woken(account), 'nothing to be had yet').toEqual([]);
    account.types = [typeAt(true)];
    await expect.poll(() => woken(account)).toEqual([{ refId: 'waiter', name: 'stocked', about: { offer: OFFER } }]);
    const refusal = account.refusals[OFFER];
    expect(refusal?.untilMs).toBeLessThanOrEqual(Date.now());
    expect(refusal?.count, 'if the probe is refused, its gap goes on growing').toBe(3);
    await looks(account);
    expect(woken(account)).toHaveLength(1);
    account.types = [typeAt(false)];
    await looks(account);
    account.types = [typeAt(true)];
    await expect.poll(() => woken(account)).toHaveLength(2); // another change is another hint
    expect(await end()).toBe('alert');
  });

  it('is one that leaves the zone to the provider, if any zone has it', async () => {
    const account = waitingAccount();
    account.types = [typeAt(false, 'a'), typeAt(false, 'b')];
    const end = watching(account);
    await looks(account);
    account.types = [typeAt(false, 'a'), typeAt(true, 'b')];
    await expect.poll(() => woken(account)).toHaveLength(1);
    await end();
  });

  it('is noticed although a watch ended between the two looks', async () => {
    const account = waitingAccount();
    const end = watching(account);
    await looks(account);
    expect(await end()).toBe('alert');
    account.types = [typeAt(true)];
    account.machines = [];
    expect(await account.watch()).toBe('settled');
    const endAgain = watching(account);
    await expect.poll(() => woken(account)).toHaveLength(1);
    await endAgain();
  });

  it('is told by its change alone: a catalog that never showed it sold out wakes nobody', async () => {
    const account = waitingAccount();
    account.types = [typeAt(true)];
    const end = watching(account);
    await looks(account);
    expect(woken(account)).toEqual([]);
    await end();
  });
});

describe('the catalog', () => {
  it('is not asked while nothing is sold out', async () => {
    const account = waitingAccount();
    account.refusals = { [OFFER]: { count: 3, untilMs: Date.now() - HOUR - 1 } };
    expect(await account.watch()).toBe('settled');
    expect(await account.watch('settled')).toBe('sleep');
    expect(account.catalogs).toBe(0);
  });

  it('is not asked where it does not tell what is in stock', async () => {
    const account = waitingAccount({ provider: { stock: 'untold' } });
    expect(await account.watch('settled')).toBe('sleep');
    expect(account.catalogs).toBe(0);
  });

  it('is asked no more often than its interval, by however many watches', async () => {
    const account = waitingAccount({ timing: { stockIntervalMs: 60_000 } });
    for (let watches = 0; watches < 5; watches += 1) {
      expect(await account.watch()).toBe('settled');
      const listed = account.listings;
      const end = watching(account);
      await expect.poll(() => account.listings).toBeGreaterThan(listed + 3);
      await end();
      account.machines = [];
    }
    expect(account.catalogs).toBe(1);
  });

  it('costs nobody anything when it fails: the account is listed as ever, and it is asked again', async () => {
    const account = waitingAccount();
    account.catalogOutage = new Error('503');
    const end = watching(account);
    await looks(account);
    account.catalogOutage = undefined;
    await looks(account);
    account.types = [typeAt(true)];
    await expect.poll(() => woken(account)).toHaveLength(1);
    await end();
    expect(account.warnings).toEqual([]);
  });

  it('keeps no listing waiting while it takes its time', async () => {
    const account = waitingAccount({ provider: { listInstanceTypes: () => new Promise(() => undefined) } });
    const end = watching(account);
    await expect.poll(() => account.listings).toBeGreaterThan(10);
    await end();
  });
});

describe('an empty account where something is sold out', () => {
  it('stays awake, however long it rests', async () => {
    const account = waitingAccount({ timing: { idleAfterMs: 1 } });
    await account.watch();
    const end = watching(account);
    await expect.poll(() => account.listings).toBeGreaterThan(100);
    expect(await end()).toBe('alert');
  });

  it('goes to sleep when that is forgotten', async () => {
    const account = waitingAccount();
    account.refusals = { [OFFER]: { count: 3, untilMs: Date.now() + 300 - HOUR } };
    expect(await account.watch('settled')).toBe('sleep');
    expect(account.catalogs).toBeGreaterThan(0);
  });
});
