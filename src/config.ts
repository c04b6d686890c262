import { z } from 'zod';
import { findBastions } from './adapters/bastion.js';
import type { CredentialConfig } from './adapters/credential.js';
import { readCredentials } from './config/credentials.js';
import { hideExcept } from './config/hide.js';
import { readJournalUrl } from './config/journal.js';
import type { Env, Report } from './config/source.js';
import { readSshKeys } from './config/ssh-keys.js';
import { type HealthAddress, toHealthAddress } from './health.js';
import { LOG_LEVELS, type LogLevel } from './logging.js';

export type { CredentialConfig } from './adapters/credential.js';

/**
 * What the worker is told from outside. Printing it, as JSON or with `console.log`, shows no secret; a single secret
 * taken out of it is text like any other, but the logger knows it.
 */
export interface Config {
  credentials: CredentialConfig[];
  /** Private keys by name, OpenSSH or PEM. */
  sshKeys: Record<string, string>;
  taskQueue: string;
  logLevel: LogLevel;
  /** What happens to machines that carry our identity and that nobody claims. */
  strays: 'report' | 'terminate';
  /** Where events are kept for good, as `openJournal` takes it; absent: Temporal's own history is all there is. */
  journalUrl?: string;
  /** Where the worker says how it is; absent: nowhere. */
  healthAddress?: HealthAddress;
}

/** Everything that is wrong with the configuration, at once. Never holds a value, for it could be a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly issues: readonly string[]) {
    super(
      `The configuration has ${issues.length === 1 ? 'an error' : `${issues.length} errors`}:\n  ${issues.join('\n  ')}`,
    );
  }
}

/** The variables that are a value each; the others name files and addresses. `docs/configuration.md` tells of all. */
export const settings = z.object({
  SLIPWAY_TASK_QUEUE: z.string().trim().min(1).default('slipway'),
  SLIPWAY_LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  SLIPWAY_STRAYS: z.enum(['report', 'terminate']).default('report'),
  SLIPWAY_HEALTH_ADDRESS: z
    .string()
    .transform((text, context) => {
      const address = toHealthAddress(text);
      if (address === undefined) context.addIssue('must be host:port, or a port');
      return address;
    })
    .optional(),
});

/**
 * Reads the environment and the files it names, and registers every secret with the logger.
 *
 * `SLIPWAY_CREDENTIALS` is needed; `docs/configuration.md` has them all, with their defaults. A variable that is set
 * and empty counts as not set.
 * @throws {ConfigError} listing every issue.
 */
export function loadConfig(env: Env = process.env): Config {
  const issues: string[] = [];
  const report: Report = (where, message) => issues.push(`${where}: ${message}`);

  const credentials = readCredentials(env, report);
  const sshKeys = readSshKeys(env, report);
  for (const [cloudCredRefId, { sshKeyRef }] of findBastions(credentials)) {
    if (sshKeyRef === undefined || Object.hasOwn(sshKeys, sshKeyRef)) continue;
    report(`credential ${cloudCredRefId} .bastion.sshKeyRef`, `this worker has no SSH key named ${sshKeyRef}`);
  }
  const journalUrl = readJournalUrl(env, report);
  const parsed = settings.safeParse(Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim())));
  for (const issue of parsed.error?.issues ?? []) report(issue.path.join('.'), issue.message);
  if (!parsed.success || issues.length > 0) throw new ConfigError(issues);

  const config: Config = {
    credentials: credentials.map((credential) => hideExcept(credential, ['cloudCredRefId', 'provider', 'apiUrl'])),
    sshKeys: hideExcept(sshKeys, []),
    taskQueue: parsed.data.SLIPWAY_TASK_QUEUE,
    logLevel: parsed.data.SLIPWAY_LOG_LEVEL,
    strays: parsed.data.SLIPWAY_STRAYS,
    ...(journalUrl && { journalUrl }),
    healthAddress: parsed.data.SLIPWAY_HEALTH_ADDRESS,
  };
  return hideExcept(config, ['credentials', 'sshKeys', 'taskQueue', 'logLevel', 'strays', 'healthAddress']);
}
