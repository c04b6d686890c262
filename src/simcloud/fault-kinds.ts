/*
 * What can be called, and all that can go wrong with it. A kind's group says what it spoils: the answer to a call, a
 * listing, a termination; or it is a behaviour, which a machine gets at its creation and keeps.
 */

export const OPERATIONS = [
  'create',
  'list',
  'get',
  'terminate',
  'stop',
  'start',
  'reboot',
  'firewall',
  'tags',
  'types',
  'images',
  'locations',
  'quotas',
  'change-type',
  'resize-disk',
  'other',
] as const;
export type Operation = (typeof OPERATIONS)[number];

export interface FaultSpec {
  group: 'answer' | 'list' | 'terminate' | 'behaviour';
  /** Where it can strike; without it, anywhere. */
  operations?: readonly Operation[];
  /** What `delayMs` is when nobody says. */
  delayMs?: number;
}

const WRITES = [
  'create',
  'terminate',
  'stop',
  'start',
  'reboot',
  'firewall',
  'tags',
  'change-type',
  'resize-disk',
] as const;
const BEHAVIOUR = { group: 'behaviour', operations: ['create'] } as const;

export const FAULT_KINDS = {
  /** Does the work, then destroys the socket. */
  'drop-answer-after-work': { group: 'answer' },
  /** Destroys the socket; nothing was done. */
  'drop-before-work': { group: 'answer' },
  /** Does the work at once and answers after `delayMs`. */
  'late-answer': { group: 'answer', delayMs: 1_000 },
  /** Destroys the socket and does the work `delayMs` later: a machine nobody waits for any more. */
  'late-work': { group: 'answer', operations: WRITES, delayMs: 1_000 },
  /** 429, with Retry-After if the fault has `retryAfterSeconds`. */
  'rate-limited': { group: 'answer' },
  'error-500': { group: 'answer' },
  'error-500-after-work': { group: 'answer' },
  'error-503': { group: 'answer' },
  /** 502 with a page from some proxy; nothing was done. */
  'html-instead-of-json': { group: 'answer' },
  'out-of-stock': { group: 'answer', operations: ['create', 'start'] },
  quota: { group: 'answer', operations: ['create', 'start'] },
  /** `instance.busy`, as while a minimum term runs. */
  'terminate-refused': { group: 'answer', operations: ['terminate'] },

  /** At a create: the new machine is missing from lists for `delayMs`. At a list: all younger than that are missing. */
  'list-lags': { group: 'list', operations: ['list', 'create'], delayMs: 2_000 },
  /** The second page is left out; a listing of one page comes back empty. */
  'list-loses-page': { group: 'list', operations: ['list'] },
  /** The first page comes twice. */
  'list-repeats-page': { group: 'list', operations: ['list'] },
  /** Strikes second pages only: 500. */
  'list-fails-on-page-2': { group: 'list', operations: ['list'] },

  /** Accepted, and nothing happens. */
  'terminate-lies': { group: 'terminate', operations: ['terminate'] },
  /** Takes `delayMs`. */
  'slow-terminate': { group: 'terminate', operations: ['terminate'], delayMs: 2_000 },

  /** Never leaves `pending`. */
  'never-boots': BEHAVIOUR,
  /** Takes `delayMs` to boot. */
  'slow-boot': { ...BEHAVIOUR, delayMs: 2_000 },
  /** `pending`, then `failed`. */
  'boot-fails': BEHAVIOUR,
  /** `failed`, `delayMs` after it began to run. */
  'boots-then-fails': { ...BEHAVIOUR, delayMs: 200 },
  /** `delayMs` after its creation it is in no list and gets a 404. */
  vanishes: { ...BEHAVIOUR, delayMs: 1_000 },
  /** `stopped`, `delayMs` after it began to run, as a reclaimed spot machine. */
  'stops-by-itself': { ...BEHAVIOUR, delayMs: 200 },
  // The next eight last for `delayMs` from `running`; 0, the default, is for ever.
  /** Takes the connection and says nothing. */
  'ssh-silent': { ...BEHAVIOUR, delayMs: 0 },
  /** The port is closed. */
  'ssh-refused': { ...BEHAVIOUR, delayMs: 0 },
  /** Takes the connection and resets it. */
  'ssh-resets': { ...BEHAVIOUR, delayMs: 0 },
  /** Knows none of the keys. */
  'ssh-refuses-key': { ...BEHAVIOUR, delayMs: 0 },
  /** `cloud-init status --wait` does not return. */
  'cloud-init-hangs': { ...BEHAVIOUR, delayMs: 0 },
  /** Every port is open, whatever the rules say. */
  'firewall-leaks': { ...BEHAVIOUR, delayMs: 0 },
  /** Every port but SSH's is closed, whatever the rules say. */
  'firewall-shut': { ...BEHAVIOUR, delayMs: 0 },
  /** Changes of the rules are accepted and shown, and those of the creation stay in force. */
  'firewall-stuck': { ...BEHAVIOUR, delayMs: 0 },
  /** Made without the rules that the create asked for, and shown so. */
  'loses-rules': BEHAVIOUR,
  /** After the next start or reboot the host key is another: a man in the middle. */
  'ssh-new-host-key': BEHAVIOUR,
} as const satisfies Record<string, FaultSpec>;

export type FaultKind = keyof typeof FAULT_KINDS;
type KindOf<Group> = { [K in FaultKind]: (typeof FAULT_KINDS)[K]['group'] extends Group ? K : never }[FaultKind];
export type AnswerFaultKind = KindOf<'answer'>;
export type ListFaultKind = KindOf<'list'>;
export type TerminateFaultKind = KindOf<'terminate'>;
export type BehaviourKind = KindOf<'behaviour'>;

export const FAULT_KIND_NAMES = Object.keys(FAULT_KINDS) as [FaultKind, ...FaultKind[]];
