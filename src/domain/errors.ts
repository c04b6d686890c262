/**
 * What an error means, said once. Retry policies, placement, parking, the docs and the CLI read this table.
 * Kinds become Temporal failure types and event data, hence stored for years: never rename one.
 */

/** What a refusal blocks. Placement skips every offer inside the scope. */
export type ErrorScope =
  | 'offer' //               type × location × credential
  | 'credential-location'
  | 'credential'
  | 'provider-location'
  | 'request' //             every offer would fail alike
  | 'instance'
  | 'capability'
  | 'none';

/** Whether the activity that met the error is retried by Temporal. */
export type ErrorRetry =
  | 'no'
  | 'once' //    after the adapter refreshed its token
  | 'later' //   when the provider said, or with backoff; never counts as an attempt
  | 'backoff'
  | 'reads' //   reads with backoff; a create becomes UnknownOutcome
  | 'gaps'; //   with growing gaps, for as long as it takes

interface ErrorMeaning {
  scope: ErrorScope;
  retry: ErrorRetry;
  /** What happened, for a person. */
  meaning: string;
  /** What the lifecycle does next. */
  next: string;
}

export const ERRORS = {
  InsufficientResources: {
    scope: 'offer',
    retry: 'no',
    meaning: 'The provider has no stock of this type in this location.',
    next: 'Sets the offer aside and tries the next; comes back to it later, until provisionWithin has passed.',
  },
  OutOfQuota: {
    scope: 'credential-location',
    retry: 'no',
    meaning: 'The account is at its limit, or out of funds, in this location.',
    next: 'Skips every offer in that scope; parks as a quota wall if none is left.',
  },
  RateLimited: {
    scope: 'credential',
    retry: 'later',
    meaning: 'The provider asked us to slow down.',
    next: 'Waits as long as it was told; never counts as an attempt.',
  },
  ServiceUnavailable: {
    scope: 'provider-location',
    retry: 'backoff',
    meaning: 'The provider is not answering for now.',
    next: 'Waits with backoff; it says nothing about the offer.',
  },
  Internal: {
    scope: 'none',
    retry: 'reads',
    meaning: 'The provider failed inside.',
    next: 'Repeats reads; a create becomes an unknown outcome and is looked up.',
  },
  UnknownOutcome: {
    scope: 'offer',
    retry: 'no',
    meaning: 'A create was sent and its answer was lost: the machine may exist.',
    next: 'Looks for the machine until the listing lag has passed: adopts it, or moves on.',
  },
  Unauthenticated: {
    scope: 'credential',
    retry: 'once',
    meaning: 'The provider does not accept the credential.',
    next: 'Skips every offer of the credential; parks, naming it, if none is left.',
  },
  PermissionDenied: {
    scope: 'credential',
    retry: 'no',
    meaning: 'The credential may not do this.',
    next: 'Skips every offer of the credential; parks, naming it, if none is left.',
  },
  ImageNotFound: {
    scope: 'request',
    retry: 'no',
    meaning: 'The image is unknown, or not allowed for the type.',
    next: 'Parks at once: another offer would fail alike.',
  },
  InvalidRequest: {
    scope: 'offer',
    retry: 'no',
    meaning: 'The provider, or Slipway, refuses the request as it stands.',
    next: 'Tries the next offer when it is about an offer’s own fields; else fails before anything is created.',
  },
  DuplicateFirewallRule: {
    scope: 'none',
    retry: 'no',
    meaning: 'An equal firewall rule exists.',
    next: 'Counts as success.',
  },
  InstanceNotFound: {
    scope: 'instance',
    retry: 'no',
    meaning: 'The provider does not know the machine.',
    next: 'When ending it: done, after a second witness. When waiting: gone, after a second witness.',
  },
  ResourceNotFound: {
    scope: 'instance',
    retry: 'no',
    meaning: 'The provider does not know something that belongs to the machine.',
    next: 'When deleting it: done. Else parks.',
  },
  NotSupported: {
    scope: 'capability',
    retry: 'no',
    meaning: 'The provider, the type or the machine cannot do this.',
    next: 'Refuses the command before anything is sent.',
  },
  NotYet: {
    scope: 'instance',
    retry: 'gaps',
    meaning: 'The provider refuses for now: busy, or a minimum term.',
    next: 'Keeps trying with growing gaps; shown as cleanup debt while deleting.',
  },
  WaitTimeout: {
    scope: 'instance',
    retry: 'no',
    meaning: 'The machine did not get there within the policy’s time.',
    next: 'Ends the machine and tries the next offer, or parks; keeps it if it was ever handed over.',
  },
  InstanceFailed: {
    scope: 'instance',
    retry: 'no',
    meaning: 'The provider says the machine failed, or it vanished.',
    next: 'Ends the machine and tries the next offer, or parks; keeps it if it was ever handed over.',
  },
  SshUnreachable: {
    scope: 'instance',
    retry: 'no',
    meaning: 'The machine runs, and does not answer SSH with our key.',
    next: 'Ends the machine and tries the next offer, or parks; keeps it if it was ever handed over.',
  },
  FirewallUnverified: {
    scope: 'instance',
    retry: 'no',
    meaning: 'The firewall could not be shown to hold.',
    next: 'Ends the machine and tries the next offer, or parks; keeps it if it was ever handed over.',
  },
} as const satisfies Record<string, ErrorMeaning>;

export type ErrorKind = keyof typeof ERRORS;
export const ERROR_KINDS = Object.keys(ERRORS) as readonly ErrorKind[];

export function isErrorKind(value: unknown): value is ErrorKind {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value);
}

/** Refusals of a caller's own call; they never come from a provider. Failure types too: never rename. */
export const REFUSALS = {
  RefIdConflict: 'The refId is taken by another request.',
  WrongPhase: 'The command does not fit the phase the instance is in.',
  NotFound: 'No instance has this refId.',
} as const;
export type RefusalKind = keyof typeof REFUSALS;

/** An error as a fact: what events, activity failures and `describe` carry. Secrets are gone by now. */
export interface FailureFact {
  kind: ErrorKind;
  message: string;
  /** The port's verb that failed: `createInstance`. */
  operation?: string;
  /** The provider's own code, as it spells it. */
  providerCode?: string;
  httpStatus?: number;
  /** The provider's id of the refused call, for its support desk. */
  requestId?: string;
  retryAfterMs?: number;
  /** The provider was not asked: another request was refused a moment ago, or the journal holds new machines back. */
  isRemembered?: boolean;
  /** The offer was sold out already when this request last asked there. */
  isRepeat?: boolean;
}

/** The one error adapters throw. `message` says what failed for which inputs; the vendor's own text stays in `cause`. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly kind: ErrorKind;
  readonly fact: FailureFact;

  constructor(fact: FailureFact, cause?: unknown) {
    super(fact.message, { cause });
    this.kind = fact.kind;
    this.fact = fact;
  }
}
