import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withCheckTable } from './check-table.js';
import { configurationPage } from './configuration-page.js';
import { errorsPage } from './errors-page.js';
import { withPhaseTable } from './phase-table.js';
import { jsonSchemas } from './schemas.js';

/** Every generated page as it should be, by its path from the repository's root. */
export async function generatedPages(root: string): Promise<Record<string, string>> {
  const schemas = Object.entries(jsonSchemas()).map(([name, schema]) => [
    `docs/schemas/${name}`,
    `${JSON.stringify(schema, undefined, 2)}\n`,
  ]);
  const lifecycle = 'docs/lifecycle.md';
  const guide = 'docs/integration-guide.md';
  return {
    ...Object.fromEntries(schemas),
    'docs/configuration.md': configurationPage(),
    'docs/errors.md': errorsPage(),
    [guide]: withCheckTable(await readFile(join(root, guide), 'utf8')),
    [lifecycle]: withPhaseTable(await readFile(join(root, lifecycle), 'utf8')),
  };
}
