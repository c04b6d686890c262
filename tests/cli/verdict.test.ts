import { describe, expect, it } from 'vitest';
import { stuckText, verdict, type Wanted } from '../../src/cli/watch/verdict.js';
import type { InstanceView } from '../../src/client/index.js';

const AT = { early: '2026-11-23T09:00:00.000Z', late: '2026-11-23T09:01:00.000Z' };
const failure = { kind: 'OutOfQuota', message: 'The quota at us-west-1 is 0.' } as const;

function view(more: Partial<InstanceView>): InstanceView {
  const rest = { firewallRules: { ingressRules: [], egressRules: [] }, firewallApplied: true, tags: {}, attempts: [] };
  return {
    refId: 'b4f1',
    name: 'trainer-1',
    phase: 'ready',
    lifecycleStatus: 'running',
    since: AT.early,
    waitingFor: 'a command',
    desired: 'running',
    seq: 7,
    pendingChanges: [],
    cleanupDebt: [],
    ...rest,
    ...more,
  };
}

describe('a wait', () => {
  const rebootWanted = { type: 'RebootRequested', at: AT.late };
  it.each<[string, Wanted, Partial<InstanceView>, ReturnType<typeof verdict>]>([
    ['is over when the phase is there', 'ready', { phase: 'ready' }, 'arrived'],
    ['goes on while it moves', 'ready', { phase: 'pending' }, 'on-the-way'],
    ['goes on while a stop has not begun', 'stopped', { phase: 'ready', desired: 'stopped' }, 'on-the-way'],
    ['ends when a stop was refused for good', 'stopped', { phase: 'ready', failure }, 'stuck'],
    ['ends when a start found no stock', 'ready', { phase: 'stopped', desired: 'stopped', failure }, 'stuck'],
    ['ends when it parks', 'ready', { phase: 'parked', failure }, 'stuck'],
    [
      'goes on when a parked one is being ended',
      'terminated',
      { phase: 'parked', desired: 'terminated' },
      'on-the-way',
    ],
    ['ends when it is gone', 'ready', { phase: 'terminated', desired: 'terminated' }, 'stuck'],
    [
      'goes on while it is ended, to tell the end',
      'ready',
      { phase: 'terminating', desired: 'terminated' },
      'on-the-way',
    ],
    ['does not take ready before a reboot for its end', 'ready', { lastCommand: rebootWanted }, 'on-the-way'],
    [
      'takes ready after a reboot',
      'ready',
      { since: AT.late, lastCommand: { ...rebootWanted, at: AT.early } },
      'arrived',
    ],
    [
      'says that a reboot was refused',
      'ready',
      { since: AT.late, lastCommand: { ...rebootWanted, at: AT.early }, failure },
      'stuck',
    ],
    [
      'lets a terminate overtake a reboot',
      'terminated',
      { desired: 'terminated', lastCommand: rebootWanted },
      'on-the-way',
    ],
  ])('%s', (_title, wanted, more, expected) => {
    expect(verdict(view(more), wanted)).toBe(expected);
  });
});

describe('the explanation of a parked instance', () => {
  it('names the kind, its meaning, and what a person can do', () => {
    const text = stuckText(view({ phase: 'parked', failure }), 'ready');
    expect(text).toContain('OutOfQuota');
    expect(text).toContain('slipway retry b4f1');
    expect(text).toContain('nothing bills');
  });

  it('does not say that nothing bills while something may', () => {
    const offer = { cloudCredRefId: 'sim', location: 'l', instanceType: 't' };
    const debt = { cloudId: 'i-1', offer, since: AT.early, cause: 'undeleted' } as const;
    expect(stuckText(view({ phase: 'parked', failure, cleanupDebt: [debt] }), 'ready')).toContain('i-1');
  });
});
