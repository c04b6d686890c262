import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type WorkflowBundleOption } from '@temporalio/worker';

/** Written by `npm run build`; beside the compiled worker. */
export const BUNDLE_PATH = fileURLToPath(new URL('./workflow-bundle.cjs', import.meta.url));

/** The workflows as one script: the built one where it stands, else bundled now (about a second). */
export async function workflowBundle(): Promise<WorkflowBundleOption> {
  return existsSync(BUNDLE_PATH) ? { codePath: BUNDLE_PATH } : await bundleWorkflows();
}

/**
 * Loaded once, with all that they import, and frozen: every workflow of a worker shares them. Anything else is loaded anew
 * for each workflow, which costs memory and time; state that is a workflow's own may be kept there alone
 * (decision 0029).
 */
export const SHARED_MODULES = [
  './domain/instance/index.js',
  './domain/placement/refusals.js',
  './workflows/entity.js',
  './workflows/messages.js',
  './workflows/steps/awaiting.js',
  './workflows/steps/ending.js',
  './workflows/steps/placing.js',
  './workflows/steps/power.js',
  './workflows/steps/readying.js',
  './workflows/steps/resting.js',
] as const;

export async function bundleWorkflows(): Promise<{ code: string }> {
  return await bundleWorkflowCode({
    workflowsPath: modulePath('./workflows/index.js'),
    workflowInterceptorModules: [modulePath('./workflows/journal-feed.js')],
    preloadModules: SHARED_MODULES.map(modulePath),
    logger: QUIET,
  });
}

function modulePath(path: string): string {
  const compiled = fileURLToPath(new URL(path, import.meta.url));
  return existsSync(compiled) ? compiled : compiled.replace(/\.js$/, '.ts');
}

/** Webpack says a page about every success; an error it throws. */
const ignore = () => undefined;
const QUIET = { log: ignore, trace: ignore, debug: ignore, info: ignore, warn: console.warn, error: console.error };
