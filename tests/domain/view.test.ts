import { describe, expect, it } from 'vitest';
import {
  type InstanceFact,
  LIFECYCLE_STATUS,
  PHASES,
  phaseDeadline,
  toInstanceRequest,
  toView,
} from '../../src/domain/instance/index.js';
import { later, START, stateAfter } from '../support/given.js';
import {
  attempted,
  created,
  failure,
  HOST_KEY,
  LIVES,
  offerA,
  requested,
  requestInput,
  SITUATIONS,
  TURNS,
  wish,
} from './stories.js';

const viewAfter = (...facts: InstanceFact[]) => toView(stateAfter(...facts));

describe('describe', () => {
  it.each(PHASES)('%s: phase, lifecycle status, since when, and what for', (phase) => {
    const state = stateAfter(...LIVES[phase]);
    expect(toView(state)).toMatchObject({
      refId: 'ref-1',
      name: 'trainer-1',
      phase,
      lifecycleStatus: LIFECYCLE_STATUS[phase],
      since: state.since,
      seq: LIVES[phase].length,
    });
    expect(toView(state).waitingFor).not.toBe('');
    if (phase !== 'placing') expect(toView(state).deadline).toBe(phaseDeadline(state));
  });

  it.each(Object.keys(SITUATIONS))('%s: survives JSON, so that every reader sees the same', (situation) => {
    const view = viewAfter(...SITUATIONS[situation as keyof typeof SITUATIONS]);
    const { knownHosts: _known, ...plain } = JSON.parse(JSON.stringify(view)) as typeof view;
    expect(view).toMatchObject(plain);
  });

  it('says how long machines of the offer usually take to boot, where that is known', () => {
    const usualBoot = { machines: 40, p50Ms: 60_000, p99Ms: 240_000 };
    const { normally } = viewAfter(requested(), attempted(), { ...created(), usualBoot });
    expect(normally).toBe('1m (at most 4m for 99 in 100 of 40 machines of this offer)');
  });

  it('says when placement tries again, else when it gives up', () => {
    expect(viewAfter(requested()).deadline).toBe(later(START, 3_600_000));
    const until = later(START, 30_000);
    expect(viewAfter(requested(), { type: 'CapacityAwaited', until }).deadline).toBe(until);
  });

  it('shows the offer that is being tried, or stood at, and none in between', () => {
    expect(viewAfter(...LIVES.placing).offer).toBeUndefined();
    expect(viewAfter(...LIVES.creating).offer).toEqual(offerA);
    expect(viewAfter(...LIVES.ready).offer).toEqual(offerA);
    expect(viewAfter(...LIVES.terminated).offer).toBeUndefined();
  });

  it('says whether the wanted rules are in force', () => {
    const rules = { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: [] }], egressRules: [] };
    const asked: InstanceFact = { type: 'FirewallChangeRequested', rules, requestId: 'x' };
    expect(viewAfter(...LIVES.firewalling).firewallApplied).toBe(false);
    expect(viewAfter(...LIVES.ready).firewallApplied).toBe(true);
    expect(viewAfter(...LIVES.ready, asked)).toMatchObject({ firewallApplied: false, firewallRules: rules });
    const change = { kind: 'firewall', requestId: 'x', rules } as const;
    expect(viewAfter(...LIVES.ready, asked, { type: 'ChangeApplied', change }).firewallApplied).toBe(true);
    // A wish that came while older rules were applied is not in force, whatever was applied.
    const raced = [...LIVES.firewalling, asked, ...LIVES.ready.slice(4)];
    expect(viewAfter(...raced).firewallApplied).toBe(false);
  });

  it('says why: failure, debts, attempts, the last command and its actor', () => {
    const view = viewAfter(...TURNS['terminating with a debt']);
    expect(view).toMatchObject({
      cleanupDebt: [{ cloudId: 'm-1', failure: { kind: 'WaitTimeout' } }],
      attempts: [{ attempt: 1, outcome: 'created' }],
      lastCommand: { type: 'TerminateRequested' },
    });
    expect(viewAfter(...LIVES.parked)).toMatchObject({ failure: { kind: 'OutOfQuota' }, lifecycleStatus: 'failed' });
    const refused: InstanceFact = { type: 'StartRefused', failure: failure('InsufficientResources') };
    expect(viewAfter(...LIVES.starting, refused)).toMatchObject({
      phase: 'stopped',
      failure: { kind: 'InsufficientResources' },
    });
  });

  it('says how it is known to be gone', () =>
    expect(viewAfter(...LIVES.terminated).terminated).toMatchObject({ by: 'not-found' }));

  it('says what is wanted while the phase lags behind', () =>
    expect(viewAfter(...LIVES.ready, wish('StopRequested'))).toMatchObject({ phase: 'ready', desired: 'stopped' }));
});

describe('known_hosts', () => {
  const at = (sshPort: number) =>
    viewAfter(...LIVES.ready.map((fact) => (fact.type === 'InstanceRunning' ? { ...fact, sshPort } : fact))).knownHosts;

  it('names the address as OpenSSH does: in brackets with a port that is not 22', () => {
    expect(at(22)).toBe(`203.0.113.7 ${HOST_KEY}`);
    expect(at(2222)).toBe(`[203.0.113.7]:2222 ${HOST_KEY}`);
  });

  it('is absent until the host key is known', () => expect(viewAfter(...LIVES.connecting).knownHosts).toBeUndefined());
});

describe('user data', () => {
  const secret = Buffer.from('#!/bin/sh\necho planted-secret\n').toString('base64');
  const request = toInstanceRequest(requestInput({ userDataBase64: secret }));

  it('is in no event and no view: only its length, and enough to tell two requests apart', () => {
    const state = stateAfter({ type: 'InstanceRequested', request });
    for (const text of [JSON.stringify(state), JSON.stringify(toView(state))]) expect(text).not.toContain(secret);
    expect(request.userData).toEqual({ bytes: 30, digest: expect.stringMatching(/^[0-9a-f]{14}$/) });
  });

  it('makes another request of one that is otherwise the same', () => {
    const other = toInstanceRequest(requestInput({ userDataBase64: `${secret.slice(0, -4)}AAA=` }));
    expect(other.userData?.digest).not.toBe(request.userData?.digest);
  });
});
