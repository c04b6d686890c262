/**
 * The search attributes every instance workflow carries, all of type Keyword: at most ten fit on SQL visibility.
 * Names are stored by the server for good: add, never rename.
 */
export const SEARCH_ATTRIBUTES = {
  phase: 'SlipwayPhase',
  provider: 'SlipwayProvider',
  credential: 'SlipwayCredential',
  location: 'SlipwayLocation',
  instanceType: 'SlipwayInstanceType',
  errorKind: 'SlipwayErrorKind',
  /** `open` while something of this instance that bills is still to be deleted; absent otherwise. */
  cleanupDebt: 'SlipwayCleanupDebt',
} as const;

export type SearchAttributeName = (typeof SEARCH_ATTRIBUTES)[keyof typeof SEARCH_ATTRIBUTES];
