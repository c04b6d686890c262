/** `npm run docs`: writes what is generated in docs/. A test compares; it never writes. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { generatedPages } from './pages.js';

const root = process.cwd();
for (const [path, text] of Object.entries(await generatedPages(root))) {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
  console.log(path);
}
