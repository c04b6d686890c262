import { describe, expect, it } from 'vitest';
import { EVENT_TYPES, timeline } from '../../src/domain/instance/timeline.js';
import { stamped } from '../support/given.js';
import { attempted, created, failure, LIVES, proof, ready, requested, running, wish } from './stories.js';

describe('the timeline', () => {
  it('shows each fact with its time, gap, actor, attempt and evidence', () => {
    const events = stamped([
      requested(),
      attempted(),
      {
        type: 'CapacityRefused',
        attempt: 1,
        failure: { ...failure('InsufficientResources', 'no a10 left'), providerCode: 'no-stock', requestId: 'req-7' },
      },
      attempted(2),
      created({ attempt: 2 }),
    ]);
    expect(timeline(events).map(({ at: _at, gapMs: _gapMs, ...row }) => row)).toEqual([
      { seq: 1, gap: '', actor: 'caller', event: 'InstanceRequested', evidence: 'trainer-1: 2 offers, within 1h' },
      {
        seq: 2,
        gap: '1.0s',
        actor: 'slipway',
        attempt: 1,
        event: 'CreateAttempted',
        evidence: 'sim-main/us-west-1/gpu_1x_a10',
      },
      {
        seq: 3,
        gap: '1.0s',
        actor: 'provider',
        attempt: 1,
        event: 'CapacityRefused',
        evidence: 'InsufficientResources: no a10 left (no-stock), request req-7',
      },
      {
        seq: 4,
        gap: '1.0s',
        actor: 'slipway',
        attempt: 2,
        event: 'CreateAttempted',
        evidence: 'sim-main/us-west-1/gpu_1x_a10',
      },
      {
        seq: 5,
        gap: '1.0s',
        actor: 'sim',
        attempt: 2,
        event: 'InstanceCreated',
        evidence: 'm-1 at sim-main/us-west-1/gpu_1x_a10',
      },
    ]);
  });

  it('names the person behind an order, and the attempt behind what happens to its machine', () => {
    const rows = timeline(
      stamped([
        ...LIVES.connecting,
        ready(),
        { type: 'TerminateRequested', requestId: 'r', actor: 'ann', reason: 'too dear' },
      ]),
    );
    expect(rows.slice(-2)).toMatchObject([
      { event: 'InstanceReady', actor: 'slipway', attempt: 1 },
      { event: 'TerminateRequested', actor: 'ann', evidence: 'too dear' },
    ]);
    expect(rows.at(-1)).not.toHaveProperty('attempt');
    expect(timeline(stamped([wish('StopRequested')]))).toMatchObject([{ actor: 'caller' }]);
  });

  it('shows a clock that ran behind as no gap, and a gap of an hour in words', () => {
    const [first, second, third] = stamped([requested(), attempted(), created()]);
    if (!first || !second || !third) throw new Error('three events');
    const rows = timeline([
      first,
      { ...second, at: '2026-03-01T13:00:01.000Z' },
      { ...third, at: '2026-03-01T12:59:00.000Z' },
    ]);
    expect(rows.map(({ gapMs, gap }) => [gapMs, gap])).toEqual([
      [0, ''],
      [3_601_000, '1h'],
      [0, ''],
    ]);
  });

  it('says something of every type of event that carries more than its name', () => {
    const bare = [
      'InstanceStopping',
      'InstanceStopped',
      'InstanceStarting',
      'StartAccepted',
      'InstanceRebooting',
      'RebootAccepted',
    ];
    const quiet = ['StopRequested', 'StartRequested', 'RebootRequested', 'RetryRequested', 'StartedOutside'];
    const said = Object.values(LIVES).flatMap((facts) => timeline(stamped(facts)));
    const silent = new Set(said.filter(({ evidence }) => evidence === '').map(({ event }) => event));
    expect([...silent].filter((type) => ![...bare, ...quiet, 'TerminateRequested'].includes(type))).toEqual([]);
    expect(EVENT_TYPES).toContain('InstanceReady');
  });

  it('shows events from the middle of a life, and one that a newer version wrote', () => {
    const newer = { type: 'SomethingNew', failure: failure('NotYet') } as never;
    expect(timeline(stamped([running(), newer, { type: 'StrayEnded', cloudId: 'm-9', proof: proof() }]))).toMatchObject(
      [
        { event: 'InstanceRunning', actor: 'provider' },
        { event: 'SomethingNew', actor: 'slipway', evidence: 'NotYet: NotYet' },
        { event: 'StrayEnded', evidence: 'm-9 not-found: looked' },
      ],
    );
  });
});
