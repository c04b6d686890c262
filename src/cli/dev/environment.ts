import { findDevHome } from './home.js';

/** What the worker is told: the environment, and for files it does not name those of the `dev` folder, if there is one. */
export function workerEnvironment(env: NodeJS.ProcessEnv, cwd: string): NodeJS.ProcessEnv {
  const home = findDevHome(cwd);
  if (!home) return env;
  return {
    ...env,
    SLIPWAY_CREDENTIALS: env.SLIPWAY_CREDENTIALS?.trim() || home.credentials,
    SLIPWAY_SSH_KEYS: env.SLIPWAY_SSH_KEYS?.trim() || home.sshKeys,
    SLIPWAY_JOURNAL_URL: env.SLIPWAY_JOURNAL_URL?.trim() || home.journal,
  };
}
