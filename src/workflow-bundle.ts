import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type WorkflowBundleOption } from '@temporalio/worker';

/** Written by `npm run build`; beside the compiled worker. */
export const BUNDLE_PATH = fileURLToPath(new URL('./workflow-bundle.cjs', import.meta.url));

/** The workflows as one script: the built one where it stands, else bundled now (about a second). */
export async function workflowBundle(): Promise<WorkflowBundleOption> {
  return existsSync(BUNDLE_PATH) ? { codePath: BUNDLE_PATH } : await bundleWorkflows();
}

export async function bundleWorkflows(): Promise<{ code: string }> {
  return await bundleWorkflowCode({
    workflowsPath: modulePath('./workflows/index.js'),
    workflowInterceptorModules: [modulePath('./workflows/journal-feed.js')],
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
