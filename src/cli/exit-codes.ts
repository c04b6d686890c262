/** What a script can tell by the exit code alone. Part of the interface: never give one another meaning. */
export const EXIT = {
  done: 0,
  /** Not foreseen: a bug of ours. Of `conformance`: a check failed, which is a bug of the adapter's. */
  bug: 1,
  badInput: 2,
  notFound: 3,
  refused: 4,
  /** The instance is parked, or did not get where it was wanted. */
  failed: 5,
  unreachable: 6,
  /** As shells have it for Ctrl-C: the command ended, what it asked for goes on. */
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Shown under every --help. */
export const EXIT_HELP = `
Exit codes:
  0  done
  2  bad input: the command line, a file or the configuration
  3  not found: no instance has this refId
  4  refused: WrongPhase, NotSupported, RefIdConflict
  5  parked or failed: the instance is not where it was wanted
  6  Temporal or the journal cannot be reached, or no worker answers
  1  anything else, which is a bug (SLIPWAY_DEBUG=1 shows more)`;
