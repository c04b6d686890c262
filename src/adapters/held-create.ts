import type { FailureFact } from '../domain/errors.js';
import type { CloudInstance, CreateOutcome } from '../domain/provider.js';
import type { HttpReply } from './http.js';
import { HttpFailure } from './http-failure.js';

/** What was made for one create, beside its machine: an SSH key, a security group. */
export interface Held {
  /** `undo`: the create was refused. `doubt`: nobody knows. `keep`: the machine exists. */
  release(outcome: 'undo' | 'doubt' | 'keep'): Promise<void>;
}

export interface HeldCreate<T> {
  held: Held;
  /** Builds the request, and sends it. An error that is no `HttpFailure` means that it was never sent. */
  send(): Promise<HttpReply<T>>;
  isRefusal(failure: HttpFailure): boolean;
  toFailure(error: unknown): FailureFact;
  toInstance(answer: T): CloudInstance;
}

/**
 * Sends a create that holds something beside its machine. Once it is answered the machine exists, and bills, whatever
 * becomes of what is held: no error from then on is a refusal, nor takes from the machine what it was made with.
 */
export async function createHolding<T>(create: HeldCreate<T>): Promise<CreateOutcome> {
  const { held } = create;
  let reply: HttpReply<T>;
  try {
    reply = await create.send();
  } catch (error) {
    const isUnknown = error instanceof HttpFailure && !create.isRefusal(error);
    await held.release(isUnknown ? 'doubt' : 'undo');
    return { outcome: isUnknown ? 'unknown' : 'refused', failure: create.toFailure(error) };
  }
  await held.release('keep').catch(() => undefined); // a later listing tidies up
  const { value, requestId } = reply;
  return { outcome: 'exists', instance: create.toInstance(value), adopted: false, ...(requestId && { requestId }) };
}
