import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generatedPages } from '../../src/docs/pages.js';
import { ERROR_KINDS, REFUSALS } from '../../src/domain/errors.js';
import { PHASES } from '../../src/domain/instance/index.js';

const root = join(import.meta.dirname, '../..');
const pages = await generatedPages(root);

describe('generated documentation', () => {
  it.each(Object.keys(pages))('%s is fresh (else: npm run docs)', async (path) => {
    expect(await readFile(join(root, path), 'utf8')).toBe(pages[path]);
  });

  it('has no schema that nothing generates any more', async () => {
    const files = (await readdir(join(root, 'docs/schemas'))).map((name) => `docs/schemas/${name}`);
    expect(files.filter((file) => !(file in pages))).toEqual([]);
  });

  it('explains every error kind, every refusal and every phase', () => {
    for (const kind of [...ERROR_KINDS, ...Object.keys(REFUSALS)])
      expect(pages['docs/errors.md']).toContain(`| \`${kind}\` |`);
    for (const phase of PHASES) expect(pages['docs/lifecycle.md']).toContain(`| \`${phase}\` |`);
  });
});
