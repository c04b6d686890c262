import type { RefusalKind } from '../domain/errors.js';
import type { InstanceView, RequestIssue } from '../domain/instance/index.js';
import type { CleanupDebt } from './debts.js';

/** What a call of the client can end in. `kind` is stable; messages are for people. */
export type ClientErrorKind = RefusalKind | 'InvalidRequest' | 'NotSupported' | 'Unreachable' | 'WaitTimeout' | 'Stuck';

/** The one error the client throws. */
export class SlipwayError extends Error {
  override readonly name = 'SlipwayError';

  constructor(
    readonly kind: ClientErrorKind,
    message: string,
    readonly details: {
      /** InvalidRequest: everything that is wrong, by field. */
      issues?: RequestIssue[];
      /** WaitTimeout and Stuck: where it stands instead. */
      view?: InstanceView;
      /** Unreachable, of `debts`: what those told that did answer. */
      debts?: CleanupDebt[];
    } = {},
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}
