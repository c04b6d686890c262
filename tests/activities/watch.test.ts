import { describe, expect, it } from 'vitest';
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
