import type { RequestIssue } from '../domain/instance/request.js';
import { EXIT, type ExitCode } from './exit-codes.js';

/** How a command ended that did not do what it was asked. Printed as words, or with --json as this. */
export interface Failure {
  exitCode: ExitCode;
  /** Stable: the client's kinds, and `Unexpected`. */
  kind: string;
  message: string;
  /** InvalidRequest: everything that is wrong, by field. */
  issues?: RequestIssue[];
}

/** What was typed, or is in a file, cannot be used. */
export class BadInput extends Error {
  override readonly name = 'BadInput';
  constructor(
    message: string,
    readonly issues?: RequestIssue[],
  ) {
    super(message);
  }
}

/** Nothing to talk to: neither the environment nor a `slipway dev` says where Temporal is. */
export class NoServer extends Error {
  override readonly name = 'NoServer';
}

/** Ctrl-C while a command only watched. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

const BY_KIND: Record<string, ExitCode> = {
  InvalidRequest: EXIT.badInput,
  NotFound: EXIT.notFound,
  WrongPhase: EXIT.refused,
  NotSupported: EXIT.refused,
  RefIdConflict: EXIT.refused,
  Stuck: EXIT.failed,
  WaitTimeout: EXIT.failed,
  Unreachable: EXIT.unreachable,
};

/** By name, not by class: a command that fails early should not load the SDK to say why. */
const BY_NAME: Record<string, string> = {
  BadInput: 'InvalidRequest',
  ConfigError: 'InvalidRequest',
  NoOffer: 'InvalidRequest',
  TemporalConfigInvalid: 'InvalidRequest',
  TemporalCliPathUnusable: 'InvalidRequest',
  SearchAttributesUnavailable: 'InvalidRequest',
  NamespaceUnavailable: 'InvalidRequest',
  JournalInvalid: 'InvalidRequest',
  JournalSchemaMismatch: 'InvalidRequest',
  JournalUnavailable: 'Unreachable',
  NoServer: 'Unreachable',
  TemporalUnreachable: 'Unreachable',
  TemporalRefused: 'Unreachable',
  TemporalCliNotFound: 'Unreachable',
  DevServerFailed: 'Unreachable',
};

/** Any error, as what to print and how to exit. */
export function toFailure(error: unknown): Failure {
  if (!(error instanceof Error)) return { exitCode: EXIT.bug, kind: 'Unexpected', message: String(error) };
  const { name, message } = error;
  if (name === 'Interrupted') return { exitCode: EXIT.interrupted, kind: name, message };
  const kind = name === 'SlipwayError' && 'kind' in error ? String(error.kind) : (BY_NAME[name] ?? 'Unexpected');
  const issues = issuesOf(error);
  return { exitCode: BY_KIND[kind] ?? EXIT.bug, kind, message, ...(issues && { issues }) };
}

function issuesOf(error: Error): RequestIssue[] | undefined {
  if (error instanceof BadInput) return error.issues;
  const { details } = error as { details?: { issues?: RequestIssue[] } };
  return details?.issues;
}

/** For people: the issues one a line, a bug with the way to see more. */
export function toText({ kind, message, issues, exitCode }: Failure, error: unknown): string {
  if (exitCode === EXIT.bug) {
    const stack = error instanceof Error ? (error.stack ?? message) : message;
    if (process.env.SLIPWAY_DEBUG) return `Unexpected error: ${stack}`;
    return `Unexpected error: ${message}\nThis is a bug. SLIPWAY_DEBUG=1 shows where it came from.`;
  }
  if (issues && issues.length > 0) {
    return [
      'The input is not valid:',
      ...issues.map(({ path, message: text }) => `  ${path || 'request'}: ${text}`),
    ].join('\n');
  }
  return exitCode === EXIT.refused ? `${message} (${kind})` : message;
}
