import type { CloudInstance, Provider } from '../domain/provider.js';
import { endAndWait } from './ending.js';
import { isOfAnyRun } from './ref-ids.js';
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
 * Ends every machine of this run, whatever happened before: those that creates told of, for the listing may be what is
 * broken, and those that are listed; once more when listings may be believed, for a create that was cut off may have made
 * one that nobody was told of.
 * @returns what is still there, in words.
 */
export async function cleanUp(
  provider: Provider,
  isOurs: (machine: CloudInstance) => boolean,
  known: readonly CloudInstance[],
  waiting: Waiting,
): Promise<string[]> {
  const end = async (machines: readonly CloudInstance[]): Promise<string[]> =>
    (await endAll(provider, machines, waiting)).map(({ machine, why }) => `${machine.cloudId}: ${why}`);
  const listed = async (): Promise<CloudInstance[]> => {
    const all = await persistently(provider, waiting, () => provider.listInstances(waiting.signal));
    return all.filter((one) => isOurs(one) && one.status !== 'terminated');
  };
  const first = await end(known);
  first.push(...(await end((await listed()).filter(({ cloudId }) => !known.some((one) => one.cloudId === cloudId)))));
  await settle(provider, Date.now(), waiting.signal);
  return first.length > 0 ? first : await end(await listed());
}

async function persistently<T>(provider: Provider, waiting: Waiting, call: () => Promise<T>): Promise<T> {
  return await until('a listing', provider.limits.pollIntervalMs, waiting, call as () => Promise<T | undefined>);
}
