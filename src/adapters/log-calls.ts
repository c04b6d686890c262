import type { Logger } from '../logging.js';
import type { HttpCall } from './http.js';

/** One line per call at level debug: who was asked what, how it went, how long it took. */
export function logCalls(
  logger: Logger | undefined,
  who: { provider: string; cloudCredRefId: string },
): (call: HttpCall) => void {
  const log = logger?.child(who);
  return (call) => log?.debug(call, 'provider called');
}
