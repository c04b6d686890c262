import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorKind, ProviderError } from '../domain/errors.js';
import type { Provider } from '../domain/provider.js';

/** What passes by itself: the worker waits it out, and so do the checks. */
const PASSING: ReadonlySet<ErrorKind> = new Set(['RateLimited', 'ServiceUnavailable', 'Internal', 'NotYet']);
/** Safe to repeat, whatever became of the first. A create has its own way: `Scene.createPersistently`. */
const REPEATED: ReadonlySet<string> = new Set<keyof Provider>([
  'getInstance',
  'listInstances',
  'listInstanceTypes',
  'listLocations',
  'listSideResources',
  'terminateInstance',
]);
const TRIES = 4;

/** The same provider, asked again while it is busy: a hiccup of the vendor's is no fault of the adapter. */
export function patient(provider: Provider): Provider {
  return new Proxy(provider, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (!REPEATED.has(String(name))) return value.bind(target);
      return (...args: unknown[]) => insist(() => value.apply(target, args), args.at(-1) as AbortSignal, target);
    },
  });
}

async function insist(call: () => Promise<unknown>, signal: AbortSignal, { limits }: Provider): Promise<unknown> {
  for (let turn = 1; ; turn += 1) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof ProviderError) || !PASSING.has(error.kind) || turn === TRIES || signal.aborted)
        throw error;
      await sleep(error.fact.retryAfterMs ?? turn * limits.pollIntervalMs, undefined, { signal });
    }
  }
}
