import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { until } from '../../src/temporal/until.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const compiled = mkdtempSync(join(tmpdir(), 'slipway-child-'));
const soon = { what: 'the end of the child', withinMs: 5_000, everyMs: 10 };

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

/** The parents below are processes of their own, and Node 20 does not run TypeScript. */
beforeAll(() => {
  const options = ['--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--skipLibCheck'];
  const files = ['--rootDir', 'src/temporal', '--outDir', compiled, 'src/temporal/child-process.ts'];
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  execFileSync(process.execPath, [tsc, '--ignoreConfig', ...options, ...files], { cwd: root });
  writeFileSync(join(compiled, 'package.json'), '{ "type": "module" }');
});

describe('a child of ours', () => {
  it.each([
    ['returns', ''],
    ['throws', 'setTimeout(() => { throw new Error("crash"); }, 0);'],
    ['exits', 'process.exit(1);'],
    ['is interrupted', 'stay(); process.kill(process.pid, "SIGINT");'],
    ['is terminated', 'stay(); process.kill(process.pid, "SIGTERM");'],
    ['loses its terminal', 'stay(); process.kill(process.pid, "SIGHUP");'],
  ])('is gone when our process %s', async (_how, then) => {
    const { pid } = await runParent(then);
    await until(async () => !isRunning(pid), soon);
  });

  it.runIf(process.platform === 'linux' && hasSetpriv())('is gone when our process is killed', async () => {
    const { pid } = await runParent('stay(); process.kill(process.pid, "SIGKILL");');
    await until(async () => !isRunning(pid), soon);
  });

  it('does not change what a signal does to us', async () => {
    const { signal } = await runParent('stay(); process.kill(process.pid, "SIGTERM");');
    expect(signal).toBe('SIGTERM');
  });

  it('outlives Ctrl-C for as long as we shut down in order', async () => {
    const { pid, said } = await runParent(`
      stay();
      process.once('SIGINT', async () => {
        console.log(isAlive(child.pid) ? 'still there' : 'gone');
        await child.stop(5_000);
        console.log(isAlive(child.pid) ? 'still there' : 'gone');
        process.exit();
      });
      process.kill(-process.pid, 'SIGINT'); // our whole group, as a terminal does
    `);
    expect(said).toEqual(['still there', 'gone']);
    expect(isRunning(pid)).toBe(false);
  });

  it('is killed when it does not stop', async () => {
    const { said } = await runParent(
      'await child.stop(50); console.log((await child.exited).signal);',
      "trap '' TERM; echo ready; while :; do sleep 1; done",
    );
    expect(said).toEqual(['SIGKILL']);
  });
});

/** Runs a parent that starts a child and then does `then`, to its end. */
async function runParent(then: string, child = 'echo ready; exec sleep 600') {
  const folder = mkdtempSync(join(compiled, 'parent-'));
  const log = join(folder, 'log');
  writeFileSync(
    join(folder, 'parent.js'),
    `import { startChild } from '../child-process.js';
     import { openSync, readFileSync } from 'node:fs';
     const stay = () => setInterval(() => {}, 1000);
     const isAlive = (pid) => { try { return process.kill(pid, 0); } catch { return false; } };
     const child = await startChild('sh', ['-c', ${JSON.stringify(child)}], { env: process.env, logFd: openSync('${log}', 'a') });
     while (!readFileSync('${log}', 'utf8').includes('ready')) await new Promise((resolve) => setTimeout(resolve, 5));
     console.log(child.pid);
     ${then}`,
  );
  const parent = spawn(process.execPath, [join(folder, 'parent.js')], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  parent.stdout.on('data', (chunk) => (output += chunk));
  const signal = await new Promise<string | null>((resolve) =>
    parent.once('close', (_code, signal) => resolve(signal)),
  );
  const [pid, ...said] = output.trim().split('\n');
  expect(Number(pid)).toBeGreaterThan(0);
  return { pid: Number(pid), said, signal };
}

/** A killed orphan that nobody reaps (a container without an init) is not running any more. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function hasSetpriv(): boolean {
  try {
    execFileSync('setpriv', ['--pdeathsig', 'KILL', '--', 'true']);
    return true;
  } catch {
    return false;
  }
}
