import { workflowInfo } from '@temporalio/workflow';
import type { Resolved } from '../../activities/types.js';
import { currentAttempt, type InstanceRequestInput, unknownCreate } from '../../domain/instance/index.js';
import { offerId } from '../../domain/placement/offer.js';
import type { Instance } from '../entity.js';
import { toFailureFact } from '../failure.js';
import { activities } from '../policies.js';

/** Chooses the best offer that nothing blocks; waits while one may come free; parks when none is left. */
export async function place(instance: Instance): Promise<void> {
  instance.record({ type: 'PlaceNext' });
  if (instance.phase !== 'placing') return;
  instance.deliver();
  await instance.until(
    () => instance.mustDeliver,
    instance.state.awaitingUntil,
    'until an offer is worth asking again',
  );
}

/**
 * Asks the provider for a machine: it exists, it is refused, or nobody knows. The intent (`CreateAttempted`) is in the
 * history by now. Neither a stop nor a terminate cuts this short: what it made must be known before it can be ended.
 */
export async function create(instance: Instance, request: InstanceRequestInput): Promise<void> {
  const { attempt, outcome, offer } = currentAttempt(instance.state);
  if (outcome === 'unknown') return await resolve(instance);
  const { refId, name, publicKey, sshKeyRef, imageId } = instance.state.request;
  const { tags, firewallRules, diskSize } = instance.state;
  const { userDataBase64 } = request;
  const { originalExecutionRunId: originalRunId } = workflowInfo();
  const { createInstance } = activities('create', `create at ${offerId(offer)}, attempt ${attempt}`);
  const input = { refId, attempt, offer, name, publicKey, sshKeyRef, imageId, diskSize, tags, firewallRules };
  try {
    const created = await instance.call(() => createInstance({ ...input, userDataBase64, originalRunId }));
    instance.record({ type: 'RecordCreated', ...created });
    if (created.observation) instance.observe(created.observation);
  } catch (error) {
    instance.record({ type: 'RecordCreateError', failure: toFailureFact(error, 'UnknownOutcome') });
  }
}

/**
 * Looks until the listing lag has passed since the answer was lost, for as long as the provider takes to answer: found is
 * adopted, absent means that nothing was created. Whatever goes wrong, it is not given up, for a machine may be billing:
 * a `retry` makes it look again at once, a `release` calls the attempt absent on a person's word.
 */
async function resolve(instance: Instance): Promise<void> {
  const { attempt, offer, at, unknownSince: since = at } = currentAttempt(instance.state);
  const { refId } = instance.state;
  const { resolveCreate } = activities('resolve', `look for what attempt ${attempt} at ${offerId(offer)} made`);
  const resolved = await instance.interruptible(() => resolveCreate({ offer, refId, attempt, since }));
  if (resolved) settleCreate(instance, resolved);
}

/** A person may release the create in the very moment of the answer: what was found is a stray then. */
export function settleCreate(instance: Instance, { found, evidence }: Resolved): void {
  if (unknownCreate(instance.state)) {
    instance.record(found ? { type: 'RecordCreated', ...found } : { type: 'RecordAbsent', evidence });
  }
  if (found?.observation) instance.observe(found.observation);
}
