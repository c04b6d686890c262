import { describe, expect, it } from 'vitest';
import type { FirewallRules } from '../../src/domain/firewall.js';
import type { InstanceFact } from '../../src/domain/instance/index.js';
import { append, given, later, START, stateAfter } from '../support/given.js';
import { attempted, created, ready, requested, running } from './stories.js';

const rules = (...ports: number[]): FirewallRules => ({
  ingressRules: ports.map((port) => ({ fromPort: port, toPort: port, ipRanges: [] })),
  egressRules: [],
});
const wants = (requestId: string, ...ports: number[]) =>
  ({ type: 'FirewallChangeRequested', rules: rules(...ports), requestId }) satisfies InstanceFact;
const applied = (...ports: number[]) =>
  ({ type: 'FirewallApplied', rules: rules(...ports), strategy: 'host' }) satisfies InstanceFact;
/** A machine that brought its firewall along, at a provider that has none. */
const made = () => ({ ...created({ capabilities: [] }), hostFirewall: true }) satisfies InstanceFact;
const asked = [requested({ firewallRules: rules(80) }), attempted()];
const inUse = [...asked, made(), running(), applied(80), ready()];

describe('a firewall that comes with the machine', () => {
  it('has the rules that create was called with, whatever was wanted since', () => {
    const state = stateAfter(...asked, wants('x', 443), wants('y', 444), made(), running());
    expect(state).toMatchObject({ bootRules: rules(80), firewallRules: rules(444) });
    expect(state.changes).toMatchObject([{ kind: 'firewall', rules: rules(444) }]);
  });

  it('has them also when others are wanted while it boots', () => {
    const state = stateAfter(...asked, made(), wants('x', 443), running());
    expect(state).toMatchObject({ bootRules: rules(80), firewallRules: rules(443) });
  });

  it('has the newest rules when nothing was being made yet, and in the next attempt', () => {
    const early = stateAfter(requested({ firewallRules: rules(80) }), wants('x', 443), attempted(), made());
    expect(early).toMatchObject({ firewallRules: rules(443), changes: [] });
    expect(early.bootRules).toBeUndefined();
    const refused = { type: 'CapacityRefused', attempt: 1, failure: { kind: 'Internal', message: '' } } as const;
    const second = stateAfter(...asked, wants('x', 443), refused, attempted(2));
    expect(second.bootRules).toBeUndefined();
  });

  it('is not said to have rules that are wanted and not applied', () => {
    const state = stateAfter(...asked, wants('x', 443), made(), running(), applied(80));
    expect(state).toMatchObject({ phase: 'connecting', appliedRules: rules(80) });
    expect(state.changes).toHaveLength(1);
    const done = append(state, [applied(443), ready()], later(START, 60_000));
    expect(done).toMatchObject({ phase: 'ready', appliedRules: rules(443), changes: [] });
    expect(done.doubtfulRules).toBeUndefined();
  });

  it('may be changed, where the provider itself has no firewall', () => {
    given(...inUse)
      .when({ type: 'setFirewallRules', firewallRules: rules(443) })
      .then({ type: 'FirewallChangeRequested', rules: rules(443) });
  });

  it('refuses, by name, what it cannot have', () => {
    const many = rules(...Array.from({ length: 257 }, (_, index) => 2 * index + 1_000));
    given(...inUse)
      .when({ type: 'setFirewallRules', firewallRules: many })
      .thenRefused('InvalidRequest');
  });

  it('is in doubt once new rules were overtaken: they may have been applied in part', () => {
    const state = stateAfter(...inUse, wants('x', 443), wants('y', 80));
    expect(state).toMatchObject({ doubtfulRules: rules(443), firewallRules: rules(80), appliedRules: rules(80) });
    const done = append(
      state,
      [{ type: 'ChangeApplied', change: { kind: 'firewall', requestId: 'y', rules: rules(80) } }],
      later(START, 60_000),
    );
    expect(done.doubtfulRules).toBeUndefined();
    expect(done.changes).toEqual([]);
  });
});
