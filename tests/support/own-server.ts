import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDevServer } from '../../src/temporal/dev-server.js';

/** A dev server of a test's own, with dynamic config beside the product's: what a few tests need, and no user does. */
export async function startOwnServer(cliPath: string, config: Record<string, number | boolean>) {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-own-server-'));
  const wrapper = join(folder, 'temporal');
  const values = Object.entries(config).map(([key, value]) => `--dynamic-config-value ${key}=${value}`);
  await writeFile(
    wrapper,
    `#!/bin/sh
[ "$1" = server ] || exec "${cliPath}" "$@"
exec "${cliPath}" "$@" ${values.join(' ')}
`,
  );
  await chmod(wrapper, 0o755);
  const server = await startDevServer({ cliPath: wrapper });
  return {
    address: server.address,
    stop: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
