import type { CloudInstance, Provider } from '../domain/provider.js';
import { endAndWait } from './ending.js';
import type { Made } from './recorder.js';
import { isOfAnyRun, type RefIds } from './ref-ids.js';
import { settle, until, type Waiting } from './waiting.js';

/** Machines that an earlier run left: it crashed, or could not end them. */
export async function findLeftovers(provider: Provider, signal: AbortSignal): Promise<CloudInstance[]> {
  return (await provider.listInstances(signal)).filter((one) => isOfAnyRun(one) && one.status !== 'terminated');
}

/** Ends these, side by side. @returns those that are still there, with what was seen last. */
export async function endAll(
  provider: Provider,
  machines: readonly CloudInstance[],
  waiting: Waiting,
): Promise<{ machine: CloudInstance; why: string }[]> {
  const ends = machines.map(async (machine) => {
    try {
      await untilAccepted(provider, machine, waiting);
      return undefined;
    } catch (error) {
      if (waiting.signal.aborted) throw error;
      return { machine, why: error instanceof Error ? error.message : String(error) };
    }
  });
  return (await Promise.all(ends)).filter((one) => one !== undefined);
}

/** A provider that is busy now is asked again: what is given up here goes on billing. */
async function untilAccepted(provider: Provider, machine: CloudInstance, waiting: Waiting): Promise<void> {
  await until(`the end of ${machine.cloudId}`, provider.limits.pollIntervalMs, waiting, async () => {
    await endAndWait(provider, machine, waiting);
    return true;
  });
}

/**
 * Ends every machine of this run, whatever happened before: those that creates told of, for the listing or the identity may
 * be what is broken, and those that are listed; once more when listings may be believed, for a create that was cut off may
 * have made one that nobody was told of. What a create only found, and does not carry our identity, is somebody's: it stays.
 * @returns what is still there, in words.
 */
export async function cleanUp(
  provider: Provider,
  refIds: RefIds,
  told: readonly Made[],
  waiting: Waiting,
): Promise<string[]> {
  const isOurs = ({ instance, adopted }: Made): boolean => !adopted || refIds.isOfThisRun(instance);
  const known = told.filter(isOurs).map(({ instance }) => instance);
  const foreign = told.filter((one) => !isOurs(one)).map(({ instance }) => instance);
  const end = async (machines: readonly CloudInstance[]): Promise<string[]> =>
    (await endAll(provider, machines, waiting)).map(({ machine, why }) => `${machine.cloudId}: ${why}`);
  const listed = async (): Promise<CloudInstance[]> => {
    const all = await persistently(provider, waiting, () => provider.listInstances(waiting.signal));
    return all.filter((one) => refIds.isOfThisRun(one) && one.status !== 'terminated');
  };
  const first = await end(known);
  first.push(...(await end((await listed()).filter(({ cloudId }) => !known.some((one) => one.cloudId === cloudId)))));
  await settle(provider, Date.now(), waiting.signal);
  const left = first.length > 0 ? first : await end(await listed());
  return [
    ...left,
    ...foreign.map(({ cloudId, refId }) => `${cloudId}: adopted as ours, and its refId is ${refId}: not ended`),
  ];
}

/**
 * What runs before this one left, and is still there: machines, and what their creates made besides, once adapters had the
 * time to tidy up.
 * @returns it in words.
 */
export async function leftByOthers(provider: Provider, refIds: RefIds, waiting: Waiting): Promise<string[]> {
  const { signal } = waiting;
  let left: string[] = [];
  const look = async (): Promise<true | undefined> => {
    const machines = await findLeftovers(provider, signal); // also, what is tidied up is tidied up after listings
    const others = (await provider.listSideResources?.(signal)) ?? [];
    left = [
      ...machines.filter((one) => refIds.isOfAnotherRun(one)).map(({ cloudId, refId }) => `${cloudId} of ${refId}`),
      ...others
        .filter((one) => refIds.isOfAnotherRun(one))
        .map(({ kind, name, refId }) => `${kind} ${name} of ${refId}`),
    ].map((what) => `${what}, which an earlier run made`);
    return left.length === 0 ? true : undefined;
  };
  try {
    await until('what earlier runs made gone', provider.limits.pollIntervalMs, waiting, look);
    return [];
  } catch (error) {
    if (left.length === 0 || waiting.signal.aborted) throw error;
    return left;
  }
}

async function persistently<T>(provider: Provider, waiting: Waiting, call: () => Promise<T>): Promise<T> {
  return await until('a listing', provider.limits.pollIntervalMs, waiting, call as () => Promise<T | undefined>);
}
