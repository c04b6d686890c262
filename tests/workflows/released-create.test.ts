import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fold } from '../../src/domain/instance/index.js';
import { IDENTITY_TAGS } from '../../src/domain/provider.js';
import { Instance } from '../../src/workflows/entity.js';
import { settleCreate } from '../../src/workflows/steps/placing.js';
import { cloudInstance, offerA, seen, TURNS } from '../domain/stories.js';
import { stamped } from '../support/given.js';
import { begin, endAndProve, type Life, lifeOf, proveGone } from '../support/lives.js';
import { credentialNamed, offerAt, openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';

const FORGOTTEN = { name: 'forgotten', apiKey: 'forgotten-key' };
let slipway: TestSlipway;
beforeAll(async () => {
  slipway = await openSlipway({
    simcloud: { accounts: [{ name: 'main', apiKey: 'sim-key' }, FORGOTTEN] },
    others: {
      // Its look does not end by itself before the credential is revoked.
      revoked: { apiKey: FORGOTTEN.apiKey, listingLagMs: 600_000 },
      unlisted: {},
      gone: {},
    },
  });
});
afterAll(async () => await slipway?.close());

/** No listing of the credential is answered until this is called. */
async function blind(name: string): Promise<() => Promise<void>> {
  const tag = { [IDENTITY_TAGS.cloudCredRefId]: credentialNamed(slipway, name) };
  const { id } = await slipway.cloud.control.addFault({
    operation: 'list',
    kind: 'error-503',
    times: 'always',
    match: { tag },
  });
  return () => slipway.cloud.control.removeFaults(id);
}

const offerOf = (name: string) => ({ ...offerAt(slipway), cloudCredRefId: credentialNamed(slipway, name) });
/** What each look that is under way met the last time. */
async function lookFailures({ refId }: Life): Promise<(string | null | undefined)[]> {
  const { raw } = await slipway.temporal.workflow.getHandle(`instance/${refId}`).describe();
  const looks = (raw.pendingActivities ?? []).filter(({ activityType }) => activityType?.name === 'resolveCreate');
  return looks.map(({ lastFailure }) => lastFailure?.applicationFailureInfo?.type);
}

const release = ({ refId }: Life) =>
  slipway.client.release(refId, { reason: 'none in the console', actor: 'ann', requestId: 'r-1' });

describe('the answer to a look', () => {
  it('that comes in the very moment of the release makes a stray of what was found, and no machine of ours', () => {
    const unknown = TURNS['creating, outcome unknown'];
    const released = { type: 'CreateReleased', attempt: 1, reason: 'x', requestId: 'r-1' } as const;
    const events = stamped([...unknown, released]);
    const instance = Instance.resume({ state: fold(events), events });
    const observation = seen('running', { offer: offerA });
    const found = { instance: cloudInstance(), provider: 'sim', adopted: true, observation };
    settleCreate(instance, { found, evidence: 'found in listing 1' });
    expect(instance.state).toMatchObject({ phase: 'placing', debts: [{ cloudId: 'm-1', cause: 'stray' }] });
    settleCreate(instance, { evidence: 'absent' });
    expect(instance.eventsFrom().events.at(-1)?.type).toBe('StrayFound');
  });
});

describe.concurrent('a create of unknown outcome that nobody can look up any more', () => {
  it('holds up a terminate until a person releases it, with a reason and a name in the record', async () => {
    const { client, cloud } = slipway;
    const life = await begin(
      slipway,
      { offers: [offerOf('revoked')] },
      { operation: 'create', kind: 'drop-before-work' },
    );
    await life.seen('CreateOutcomeUnknown');
    await cloud.control.suspendAccount(FORGOTTEN.name, true);
    await client.terminate(life.refId);
    await client.retry(life.refId); // looks at once
    await vi.waitFor(async () => expect(await lookFailures(life)).toEqual(['PermissionDenied']), { timeout: 20_000 });
    expect(await client.describe(life.refId)).toMatchObject({ phase: 'creating', desired: 'terminated' });

    await release(life);
    expect(await proveGone(life)).toMatchObject({ terminated: { by: 'released' } });
    expect(await life.event('CreateReleased')).toMatchObject({
      attempt: 1,
      reason: 'none in the console',
      actor: 'ann',
    });
    expect(await life.machines()).toEqual([]);
  });

  it('makes room for the next attempt, once released; what it made after all is ended as a stray', async () => {
    const see = await blind('unlisted');
    const offers = [offerOf('unlisted'), offerAt(slipway)];
    const life = await begin(slipway, { offers }, { operation: 'create', kind: 'drop-answer-after-work' });
    await life.seen('CreateOutcomeUnknown');
    await release(life);
    const ready = await life.until('ready');
    expect(ready.attempts).toMatchObject([
      { outcome: 'failed', released: true },
      { attempt: 2, outcome: 'created' },
    ]);
    expect(await life.live()).toHaveLength(2);

    await see();
    await life.seen('StrayEnded');
    expect((await life.live()).map(({ id }) => id)).toEqual([ready.cloudId]);
    await endAndProve(slipway, life);
  });

  it('forgets no machine that was seen while it was unknown: the instance is not over before that one is ended', async () => {
    const { client, temporal } = slipway;
    const see = await blind('gone');
    const life = lifeOf(slipway, requestFor(slipway, { offers: [offerOf('gone')] }));
    await life.fault({ operation: 'create', kind: 'drop-answer-after-work' });
    await client.provision(life.request);
    await life.seen('CreateOutcomeUnknown');
    const [machine] = await life.machines();
    const at = new Date().toISOString();
    const seen = { cloudId: machine?.id, at, status: 'running', offer: offerOf('gone') };
    await temporal.workflow.getHandle(`instance/${life.refId}`).signal('observed', seen); // as the watcher would
    await client.terminate(life.refId);
    await release(life);
    expect(await life.event('StrayFound')).toMatchObject({ cloudId: machine?.id });

    await see();
    await life.seen('StrayEnded');
    await proveGone(life);
  });
});
