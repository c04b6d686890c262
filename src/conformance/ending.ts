import type { CloudInstance, Provider } from '../domain/provider.js';
import { look, settle, until, type Waiting } from './waiting.js';

type Place = Pick<CloudInstance, 'cloudId' | 'location'>;

/**
 * Asks for the end, again and again while it stays, until two witnesses say that it is gone: get finds nothing (or
 * `terminated`), and a complete listing past the listing lag shows nothing alive.
 * @returns the evidence. @throws {NotConforming}
 */
export async function endAndWait(provider: Provider, machine: Place, waiting: Waiting): Promise<string> {
  const ask = () => provider.terminateInstance(machine.cloudId, machine.location, waiting.signal);
  await ask();
  return await untilGone(provider, machine, waiting, ask);
}

/** The two witnesses alone. */
export async function untilGone(
  provider: Provider,
  machine: Place,
  waiting: Waiting,
  whileItStays: () => Promise<void> = async () => undefined,
): Promise<string> {
  const { signal } = waiting;
  await settle(provider, Date.now(), signal);
  let seen = '';
  return await until(
    `${machine.cloudId} gone`,
    provider.limits.pollIntervalMs,
    waiting,
    async () => {
      const listed = (await provider.listInstances(signal)).find(({ cloudId }) => cloudId === machine.cloudId);
      const got = await look(provider, machine, signal);
      seen = `the listing ${listed ? `says ${listed.status}` : 'lacks it'}, get ${got ? `says ${got.status}` : 'does not find it'}`;
      if ([listed, got].every((one) => one === undefined || one.status === 'terminated')) return seen;
      if (got && got.status !== 'terminating') await whileItStays();
      return undefined;
    },
    () => seen,
  );
}
