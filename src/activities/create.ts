import { setTimeout as sleep } from 'node:timers/promises';
import { activityInfo } from '@temporalio/activity';
import { formatMs } from '../domain/duration.js';
import { type FailureFact, ProviderError } from '../domain/errors.js';
import { attemptKey, type CloudCredRefId, type OfferId, toEpochMs } from '../domain/ids.js';
import type { UsualBoot } from '../domain/instance/index.js';
import { type Offer, offerId } from '../domain/placement/offer.js';
import type { CloudInstance, CreateOutcome, Provider } from '../domain/provider.js';
import { redact } from '../redact.js';
import { alive } from './heartbeat.js';
import { isLive, toObservation } from './observation.js';
import type { RefusalMemory } from './refusals.js';
import type { SharedListing } from './shared-listing.js';
import type { Created, CreateInput, InstanceActivities } from './types.js';

export interface CreateDeps {
  /** @throws {ProviderError} InvalidRequest for a credential this worker does not know. */
  provider(cloudCredRefId: CloudCredRefId): Provider;
  listing(cloudCredRefId: CloudCredRefId): SharedListing;
  /** The public half of a named private key. @throws {ProviderError} InvalidRequest for a name we do not have. */
  publicKeyOf(sshKeyRef: string): string;
  refusals: RefusalMemory;
  /** Makes sure that the account is being watched, and soon. Never fails: a dead watcher delays, it never strands. */
  wakeWatcher(cloudCredRefId: CloudCredRefId): Promise<void>;
  /** How long machines of the offer took to run; `undefined` when nobody knows, or knows in time. Never fails. */
  usualBoot(offer: OfferId): Promise<UsualBoot | undefined>;
  /** Aborts when this worker is going away: what merely waits hands over to another. */
  leaving: AbortSignal;
}

/** How long this process remembers what it created, beyond the listing lag, in ms. */
const REMEMBER_MS = 60_000;

/** To create, and to find out what an unanswered create has made. */
export function createActivities(deps: CreateDeps): Pick<InstanceActivities, 'createInstance' | 'resolveCreate'> {
  const recent = new Map<string, { creating: Promise<Created>; isDone: boolean }>();

  /**
   * Until the listing lag has passed a repeated create cannot see the machine that the first one made. In this process
   * it need not look: the same attempt is answered alike.
   */
  const createOnce = (input: CreateInput, signal: AbortSignal): Promise<Created> => {
    const key = attemptKey(input.refId, input.attempt);
    const earlier = recent.get(key);
    // After a reset the machine that was made then may be gone by now: that one must be looked for.
    if (earlier && !(wasReset(input) && earlier.isDone)) return earlier.creating;
    const creating = create(deps, input, signal);
    const entry = { creating, isDone: false };
    recent.set(key, entry);
    const lag = deps.provider(input.offer.cloudCredRefId).limits.listingLagMs;
    const forget = () => recent.get(key) === entry && recent.delete(key);
    creating.then(() => {
      entry.isDone = true;
      setTimeout(forget, lag + REMEMBER_MS).unref();
    }, forget);
    return creating;
  };

  return {
    createInstance: (input) => alive(({ signal }) => createOnce(input, signal), { patience: 'short' }),

    resolveCreate: ({ offer, refId, attempt, since }) =>
      alive(
        async ({ signal }) => {
          const provider = deps.provider(offer.cloudCredRefId);
          const listing = deps.listing(offer.cloudCredRefId);
          const key = attemptKey(refId, attempt);
          const lag = provider.limits.listingLagMs;
          const settled = toEpochMs(since) + lag;
          let looks = 0;
          for (let from = Date.now(); ; ) {
            if (from > Date.now()) await sleep(from - Date.now(), undefined, { signal });
            const { instances, startedAt } = await listing.since(from, signal);
            looks += 1;
            from = Math.max(startedAt + 1, settled); // another listing, not the same once more
            const found = instances.find((one) => one.refId === refId && (isLive(one) || isFailedOurs(one, key)));
            if (found)
              return {
                found: toCreated({ provider, instance: found, adopted: true, askedAt: startedAt }),
                evidence: `found in listing ${looks}`,
              };
            if (looks >= 2 && startedAt >= settled) {
              return { evidence: `absent from ${looks} complete listings, the last past the listing lag of ${lag} ms` };
            }
          }
        },
        { leaving: deps.leaving, patience: 'forever' },
      ),
  };
}

async function create(deps: CreateDeps, input: CreateInput, signal: AbortSignal): Promise<Created> {
  const { offer, refId, attempt } = input;
  const { cloudCredRefId } = offer;
  const provider = deps.provider(cloudCredRefId);
  await askLeave(deps.refusals, offer, refId);
  if (wasReset(input)) await settle(provider, deps.listing(cloudCredRefId), signal);
  const askedAt = Date.now();
  const outcome = await provider.createInstance(
    {
      refId,
      cloudCredRefId,
      attemptKey: attemptKey(refId, attempt),
      name: input.name,
      location: offer.location,
      subLocation: offer.subLocation,
      instanceType: offer.instanceType,
      publicKeys: [input.publicKey, deps.publicKeyOf(input.sshKeyRef)],
      imageId: input.imageId,
      diskSize: input.diskSize,
      tags: input.tags,
      firewallRules: input.firewallRules,
      userDataBase64: input.userDataBase64,
    },
    signal,
  );
  // Also after an unknown outcome: what arrives late, the watcher sees first.
  if (outcome.outcome !== 'refused') await deps.wakeWatcher(cloudCredRefId);
  await remember(deps, offer, outcome);
  switch (outcome.outcome) {
    case 'exists':
      return toCreated({ provider, ...outcome, askedAt, usualBoot: await deps.usualBoot(offerId(offer)) });
    case 'refused':
      throw new ProviderError(outcome.failure);
    case 'unknown':
      throw new ProviderError(unknownOutcome(outcome.failure));
  }
}

/** An offer that was sold out to another request a short while ago is not asked again. @throws {ProviderError} */
async function askLeave(refusals: RefusalMemory, offer: Offer, refId: string): Promise<void> {
  const id = offerId(offer);
  const admission = await refusals.admit(offer.cloudCredRefId, id, refId);
  if (admission.admission === 'go') return;
  const retryAfterMs = Math.max(1_000, admission.untilMs - Date.now());
  const message = `${id} was sold out when another request asked; it is asked again in ${formatMs(retryAfterMs)}.`;
  throw new ProviderError({
    kind: 'InsufficientResources',
    message,
    operation: 'createInstance',
    retryAfterMs,
    isRemembered: true,
  });
}

async function remember({ refusals, wakeWatcher }: CreateDeps, offer: Offer, outcome: CreateOutcome): Promise<void> {
  const { cloudCredRefId } = offer;
  const id = offerId(offer);
  const isSoldOut = outcome.outcome === 'refused' && outcome.failure.kind === 'InsufficientResources';
  if (!isSoldOut) return await refusals.open(cloudCredRefId, id, outcome.outcome === 'exists' && !outcome.adopted);
  const { isFirst } = await refusals.refused(cloudCredRefId, id);
  if (isFirst) await wakeWatcher(cloudCredRefId); // from now on it looks at the catalog; it finds the others by itself
}

/** `temporal workflow reset` made this run: the create of the run before may still be on its way. */
function wasReset({ originalRunId }: CreateInput): boolean {
  return originalRunId !== undefined && activityInfo().workflowExecution?.runId !== originalRunId;
}

/** After a reset: longer than the old run's create takes to notice that nobody waits for it any more, in ms. */
const RESET_SETTLE_MS = 12_000;

/**
 * A reset ends a run, not the call that the run has under way: that one may still make a machine. It is given the time to
 * be cut off (the activity's next heartbeat tells it) and the listing lag; the create that follows then meets the machine.
 */
async function settle(provider: Provider, listing: SharedListing, signal: AbortSignal): Promise<void> {
  const settled = Date.now() + RESET_SETTLE_MS + provider.limits.listingLagMs;
  await sleep(settled - Date.now(), undefined, { signal });
  await listing.since(settled, signal);
}

/** Failed right after this very create: it must be owned to be ended. */
function isFailedOurs(instance: CloudInstance, key: string): boolean {
  return instance.status === 'failed' && instance.attemptKey === key;
}

interface Creation {
  provider: Provider;
  instance: CloudInstance;
  adopted: boolean;
  /** When the provider was asked, epoch ms: a later time would make what a listing saw meanwhile look old. */
  askedAt: number;
  requestId?: string;
  usualBoot?: UsualBoot;
}

function toCreated({ provider, instance, adopted, askedAt, requestId, usualBoot }: Creation): Created {
  // What the history keeps of it: the rules are in the request.
  const { firewallRules: _, ...kept } = instance;
  return {
    instance: kept,
    provider: provider.id,
    adopted,
    observation: toObservation(instance, askedAt, provider.cloudCredRefId),
    ...(provider.firewall === 'host' && { hostFirewall: true }),
    ...(requestId && { providerRequestId: redact(requestId) }),
    ...(usualBoot && { usualBoot }),
  };
}

function unknownOutcome(cause: FailureFact): FailureFact {
  return { ...cause, kind: 'UnknownOutcome', message: `The answer to the create is lost: ${cause.message}` };
}
