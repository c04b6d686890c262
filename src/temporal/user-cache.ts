import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where this user's programs keep what they can fetch again: XDG on Linux, `~/Library/Caches` on macOS, `%LOCALAPPDATA%`. */
export function userCacheDir(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  const home = env.HOME || homedir();
  if (env.XDG_CACHE_HOME) return env.XDG_CACHE_HOME;
  if (platform === 'darwin') return join(home, 'Library', 'Caches');
  if (platform === 'win32') return env.LOCALAPPDATA || join(home, 'AppData', 'Local');
  return join(home, '.cache');
}
