import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { findTemporalCli } from '../../src/temporal/cli-binary.js';
import { startDevServer } from '../../src/temporal/dev-server.js';
import { bundleWorkflows } from '../../src/workflow-bundle.js';

declare module 'vitest' {
  interface ProvidedContext {
    temporalAddress: string;
    temporalCli: string;
    workflowBundle: string;
  }
}

/** One Temporal server and one bundle for the whole run; every test file has a task queue and refIds of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-test-'));
  const cliPath = await findTemporalCli({ report: (line) => console.error(line) });
  const server = await startDevServer({ cliPath, logFile: join(folder, 'temporal.log') });
  const { code } = await bundleWorkflows();
  const bundle = join(folder, 'workflows.cjs');
  await writeFile(bundle, code);
  project.provide('temporalAddress', server.address);
  project.provide('temporalCli', cliPath);
  project.provide('workflowBundle', bundle);
  return async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
}
