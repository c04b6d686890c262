/** The last step of `npm run build`: bundles the workflows once, so that no worker does it at every start. */
import { rename, writeFile } from 'node:fs/promises';
import { BUNDLE_PATH, bundleWorkflows } from './workflow-bundle.js';

const { code } = await bundleWorkflows();
const draft = `${BUNDLE_PATH}.${process.pid}`;
await writeFile(draft, code);
await rename(draft, BUNDLE_PATH); // a worker that starts meanwhile reads the old one or the new, never half
