import { setTimeout as sleep } from 'node:timers/promises';
import { activityInfo } from '@temporalio/activity';
import { ProviderError } from '../domain/errors.js';
import { type CloudCredRefId, toEpochMs, toIsoTime } from '../domain/ids.js';
import type { AbsenceProof } from '../domain/instance/index.js';
import type { CloudInstance, Provider } from '../domain/provider.js';
import { type CreateDeps, createActivities } from './create.js';
import { alive } from './heartbeat.js';
import { toObservation } from './observation.js';
import type { EndInput, InstanceActivities, Looked, LookInput, MachineRef } from './types.js';

export interface ProviderDeps extends CreateDeps {
  /** When this account's watcher last finished a complete listing, epoch ms. */
  watchedAt(cloudCredRefId: CloudCredRefId): Promise<number | undefined>;
}

/** How long one attempt to end a machine looks before it hands the waiting to Temporal, in ms. */
const END_LOOK_MS = 10_000;
/** Gaps between further attempts, in ms; they double. What will not go costs one order in five minutes, and money meanwhile. */
const END_GAP_MS = { first: 1_000, ceiling: 300_000 };
/** A watcher that was silent for this many of its intervals is taken for dead. */
const SILENT_INTERVALS = 3;

type ProviderActivities = Omit<
  InstanceActivities,
  'probeSsh' | 'verifyFirewall' | 'changeHostFirewall' | 'recordEvents'
>;

/** Every call of a provider. Each is safe to repeat. */
export function providerActivities(deps: ProviderDeps): ProviderActivities {
  const onMachine = <Input extends MachineRef>(
    verb: (provider: Provider, input: Input, signal: AbortSignal) => Promise<void>,
  ) => {
    return (input: Input): Promise<void> =>
      alive(async ({ signal }) => {
        await verb(deps.provider(input.cloudCredRefId), input, signal);
        await deps.wakeWatcher(input.cloudCredRefId);
      });
  };

  const { leaving } = deps;
  return {
    ...createActivities(deps),

    lookAtInstance: (input) =>
      alive(({ signal }) => lookAtInstance(deps, input, signal), {
        patience: input.isSuspected ? 'forever' : 'bounded',
      }),

    applyFirewall: (input) =>
      alive(({ signal }) => {
        const { cloudCredRefId, cloudId, location, rules } = input;
        return deps.provider(cloudCredRefId).setFirewallRules(cloudId, location, rules, signal);
      }),
    updateTags: (input) =>
      alive(({ signal }) => {
        const { cloudCredRefId, cloudId, location, tags } = input;
        return deps.provider(cloudCredRefId).updateTags(cloudId, location, tags, signal);
      }),

    stopInstance: onMachine((provider, { cloudId, location }, signal) => {
      return provider.stopInstance(cloudId, location, signal);
    }),
    startInstance: onMachine((provider, { cloudId, location }, signal) => {
      return provider.startInstance(cloudId, location, signal);
    }),
    rebootInstance: onMachine((provider, { cloudId, location }, signal) => {
      return provider.rebootInstance(cloudId, location, signal);
    }),
    changeInstanceType: onMachine((provider, { cloudId, location, instanceType }, signal) => {
      return provider.changeInstanceType(cloudId, location, instanceType, signal);
    }),
    resizeVolume: onMachine((provider, { cloudId, location, size }, signal) => {
      return provider.resizeVolume(cloudId, location, size, signal);
    }),

    endInstance: (input) => alive(({ signal }) => endInstance(deps, input, signal), { leaving, patience: 'forever' }),
  };
}

/**
 * Looks at one machine. That a get does not find it is one witness, and a stale one may be wrong: what follows from `absent`
 * can be the end of a machine in use, so a complete listing, begun after it, is heard as well.
 */
async function lookAtInstance(deps: ProviderDeps, input: LookInput, signal: AbortSignal): Promise<Looked> {
  const { cloudCredRefId, cloudId, location, trust } = input;
  const provider = deps.provider(cloudCredRefId);
  const listing = deps.listing(cloudCredRefId);
  const isMine = (one: CloudInstance) => one.cloudId === cloudId;
  const now = Date.now();
  const fresh = now - SILENT_INTERVALS * Math.max(provider.limits.pollIntervalMs, 1_000);
  const known = trust === 'nobody' ? undefined : listing.peek(fresh);
  const mine = known?.instances.find(isMine);
  if (known && mine) return { observation: toObservation(mine, known.startedAt, cloudCredRefId) };
  // A watcher tells what changes: of a machine that its listings lack, and that it never saw, it has nothing to tell.
  const isListed = known === undefined || mine !== undefined;
  if (trust === 'watcher' && isListed && ((await deps.watchedAt(cloudCredRefId)) ?? 0) >= fresh) return {};
  await deps.wakeWatcher(cloudCredRefId);
  const seen = await look(provider, cloudId, location, signal);
  if (seen) return { observation: toObservation(seen, now, cloudCredRefId) };
  const { instances, startedAt } = await listing.since(Date.now(), signal);
  const listed = instances.find(isMine);
  if (listed) return { observation: toObservation(listed, startedAt, cloudCredRefId) };
  const message = `get finds nothing; the listing of ${toIsoTime(startedAt)} lacks it`;
  return { observation: { cloudId, at: toIsoTime(now), status: 'absent', message } };
}

/**
 * Asks for the end, then looks. Gone is what two witnesses say: a get that finds nothing (or shows `terminated`), and a
 * complete listing, taken after we asked and past the listing lag, in which it does not live. One missing row, one
 * 404 or one 200 alone proves nothing.
 */
async function endInstance(deps: ProviderDeps, input: EndInput, signal: AbortSignal): Promise<AbsenceProof> {
  const { cloudCredRefId, cloudId, location, createdAt } = input;
  const provider = deps.provider(cloudCredRefId);
  const listing = deps.listing(cloudCredRefId);
  const { attempt } = activityInfo();

  // A machine that is on its way out already needs no second order; one that only claims so, or stays, does.
  const before = attempt > 1 ? await look(provider, cloudId, location, signal) : undefined;
  if (before?.status !== 'terminating' && before?.status !== 'terminated') {
    await provider.terminateInstance(cloudId, location, signal);
  }
  const asked = Date.now();
  const settled = Math.max(asked, toEpochMs(createdAt) + provider.limits.listingLagMs);
  let from = settled;
  if (settled - asked > END_LOOK_MS)
    throw notYet(`waits for the listing lag before it believes in absence`, settled - asked);
  while (Date.now() - asked < END_LOOK_MS || from === settled) {
    if (from > Date.now()) await sleep(from - Date.now(), undefined, { signal });
    const { instances, startedAt } = await listing.since(from, signal);
    const listed = instances.find((one) => one.cloudId === cloudId);
    if (!listed || listed.status === 'terminated') {
      const seen = await look(provider, cloudId, location, signal);
      const witness = `listing of ${toIsoTime(startedAt)} ${listed ? 'says terminated' : 'lacks it'}`;
      const at = toIsoTime(Date.now());
      if (!seen) return { by: 'not-found', at, evidence: `get finds nothing; ${witness}` };
      if (seen.status === 'terminated') return { by: 'terminated', at, evidence: `get says terminated; ${witness}` };
    }
    from = startedAt + Math.max(1, provider.limits.pollIntervalMs);
  }
  const gap = Math.min(END_GAP_MS.ceiling, END_GAP_MS.first * 2 ** Math.min(attempt - 1, 20));
  throw notYet('is still there after it was asked to end', gap);

  function notYet(what: string, retryAfterMs: number): ProviderError {
    const message = `${cloudId} ${what} (attempt ${attempt}).`;
    return new ProviderError({ kind: 'NotYet', message, operation: 'terminateInstance', retryAfterMs });
  }
}

async function look(
  provider: Provider,
  cloudId: string,
  location: string,
  signal: AbortSignal,
): Promise<CloudInstance | undefined> {
  try {
    return await provider.getInstance(cloudId, location, signal);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function isNotFound(error: unknown): error is ProviderError {
  return error instanceof ProviderError && error.kind === 'InstanceNotFound';
}
