import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import type { Results } from './results.js';

const require = createRequire(import.meta.url);

export function machine(): Results['machine'] {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${type()} ${release()}`,
  };
}

export function versions(): Record<string, string> {
  const versionOf = (path: string) => (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
  return {
    Node: process.versions.node,
    Slipway: versionOf(new URL('../../package.json', import.meta.url).pathname),
    'Temporal SDK': versionOf(require.resolve('@temporalio/worker/package.json')),
  };
}

/** With a `+` when the tree has changes: then the commit alone does not say what was measured. */
export function commit(root: string): string {
  const git = (...args: string[]) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' }).trim();
  try {
    const isDirty = git('status', '--porcelain', '--untracked-files=no', '--', 'src', 'bench') !== '';
    return `${git('rev-parse', '--short=10', 'HEAD')}${isDirty ? '+' : ''}`;
  } catch {
    return 'unknown';
  }
}

export function load(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}
