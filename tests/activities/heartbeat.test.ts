import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { alive } from '../../src/activities/heartbeat.js';
import { type ErrorKind, ProviderError } from '../../src/domain/errors.js';

/** Work that its worker cuts off, and that then fails with this kind. */
async function cutOff(kind: ErrorKind): Promise<void> {
  const env = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  const work = ({ signal }: { signal: AbortSignal }) =>
    new Promise<void>((_, reject) => {
      signal.addEventListener('abort', () => reject(new ProviderError({ kind, message: 'cut off' })));
    });
  const done = env.run(() => alive(work));
  env.cancel('WORKER_SHUTDOWN');
  await done;
}

describe('an activity that its worker cuts off', () => {
  it('says so when what it did is not known: cancelled, it would be repeated', async () => {
    await expect(cutOff('UnknownOutcome')).rejects.toMatchObject({ type: 'UnknownOutcome' });
  });

  it.each(['ServiceUnavailable', 'Internal'] as const)(
    'is cancelled on %s, and another worker goes on',
    async (kind) => {
      await expect(cutOff(kind)).rejects.toThrow(CancelledFailure);
    },
  );
});
