import { describe, expect, it } from 'vitest';
import { changeRules, type RuleChange } from '../../src/adapters/rule-changes.js';
import { ProviderError } from '../../src/domain/errors.js';

const rule = (port: number, ...ipRanges: string[]) => ({ fromPort: port, toPort: port, ipRanges });
const toError = (error: unknown) =>
  new ProviderError({ kind: 'PermissionDenied', message: String(error), operation: 'setFirewallRules' }, error);

function changes(failing?: number): { made: number[]; list: RuleChange[] } {
  const made: number[] = [];
  const run = (index: number) => async () => {
    if (index === failing) throw new Error('no');
    made.push(index);
  };
  const list: RuleChange[] = [
    { change: 'open', rule: rule(443), run: run(0) },
    { change: 'open', rule: rule(8_080, '203.0.113.0/24'), run: run(1) },
    { change: 'close', rule: rule(22), run: run(2) },
  ];
  return { made, list };
}

describe('a change of several firewall rules', () => {
  it('makes them in order', async () => {
    const { made, list } = changes();
    await changeRules(list, toError);
    expect(made).toEqual([0, 1, 2]);
  });

  it.each([
    [0, 'Nothing was changed. Not done: open 443; open 8080 from 203.0.113.0/24; close 22.'],
    [1, 'Done: open 443. Not done: open 8080 from 203.0.113.0/24; close 22.'],
    [2, 'Done: open 443; open 8080 from 203.0.113.0/24. Not done: close 22.'],
  ])('that ends at call %i says which are made and which are not', async (failing, words) => {
    const { made, list } = changes(failing);
    const error = await changeRules(list, toError).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind: 'PermissionDenied', message: `Error: no. ${words}` });
    expect((error as ProviderError).fact.operation).toBe('setFirewallRules');
    expect(made).toHaveLength(failing);
  });
});
