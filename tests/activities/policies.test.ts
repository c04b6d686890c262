import { describe, expect, it } from 'vitest';
import { ERROR_KINDS, ERRORS } from '../../src/domain/errors.js';
import { nonRetryable, optionsFor } from '../../src/workflows/policies.js';

describe('the retry policies', () => {
  it('never give an end or a look for a lost machine up: no kind, no count, no time', () => {
    for (const forever of ['end', 'resolve', 'watch'] as const) {
      const options = optionsFor(forever);
      expect(options.retry?.nonRetryableErrorTypes).toEqual([]);
      expect(options.retry?.maximumAttempts).toBeUndefined();
      expect(options.scheduleToCloseTimeout).toBeUndefined();
    }
  });

  it('never repeat a create that went silent', () => {
    expect(nonRetryable('create')).toContain('TemporalTimeout:StartToClose');
    expect(nonRetryable('create')).toContain('TemporalTimeout:Heartbeat');
    expect(nonRetryable('create')).toContain('Internal');
    expect(nonRetryable('create')).toContain('UnknownOutcome');
  });

  it('repeat every other class after a worker’s death', () => {
    for (const other of ['read', 'resolve', 'command', 'end', 'probe', 'watch'] as const) {
      expect(nonRetryable(other).filter((type) => type.startsWith('TemporalTimeout'))).toEqual([]);
    }
  });

  it.each(ERROR_KINDS)('read %s from the error table, for each class alike', (kind) => {
    const { retry } = ERRORS[kind];
    expect(nonRetryable('create').includes(kind)).toBe(!['later', 'backoff', 'once'].includes(retry));
    expect(nonRetryable('read').includes(kind)).toBe(retry === 'no');
    expect(nonRetryable('command').includes(kind)).toBe(retry === 'no');
  });

  it('let a worker that died be noticed in seconds: every class heartbeats', () => {
    for (const each of ['create', 'read', 'resolve', 'command', 'end', 'probe', 'watch'] as const) {
      expect(Number(optionsFor(each).heartbeatTimeout)).toBeLessThanOrEqual(10_000);
    }
  });
});
