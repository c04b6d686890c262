import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { settings } from '../../src/config.js';
import {
  COMPOSE_VARIABLES,
  OTHER_VARIABLES,
  SLIPWAY_VARIABLES,
  TEMPORAL_VARIABLES,
  type Variable,
} from '../../src/docs/variables.js';

const root = join(import.meta.dirname, '../..');
const namesOf = (variables: readonly Variable[]) => variables.map(({ name }) => name);
const all = [...SLIPWAY_VARIABLES, ...TEMPORAL_VARIABLES, ...COMPOSE_VARIABLES, ...OTHER_VARIABLES];

/** Looks like one of ours and is none: a line in a script that ends a document. */
const NO_VARIABLE = ['SLIPWAY_END_OF_FILE'];

describe('docs/configuration.md', () => {
  it('has each variable once', () => {
    expect(namesOf(all)).toEqual([...new Set(namesOf(all))]);
  });

  it('has every setting of the worker, with the default that the code has', () => {
    const defaults = settings.parse({}) as Record<string, unknown>;
    for (const name of Object.keys(settings.shape)) {
      const variable = SLIPWAY_VARIABLES.find((one) => one.name === name);
      expect(variable, name).toBeDefined();
      if (defaults[name] !== undefined) expect(variable?.byDefault).toBe(String(defaults[name]));
    }
  });

  it('has every SLIPWAY_ variable that the sources name, and none that they do not', async () => {
    const sources = await namesIn('src', /\bSLIPWAY_[A-Z_]+\b/g, 'docs');
    expect([...namesOf(SLIPWAY_VARIABLES)].sort()).toEqual(sources.filter((name) => !NO_VARIABLE.includes(name)));
  });

  it('has every variable that Temporal’s loader reads', async () => {
    const loader = dirname(createRequire(import.meta.url).resolve('@temporalio/envconfig'));
    const files = (await readdir(loader)).filter((name) => name.endsWith('.js'));
    const texts = await Promise.all(files.map((name) => readFile(join(loader, name), 'utf8')));
    const read = texts.flatMap((text) => text.match(/TEMPORAL_[A-Z_]+/g) ?? []);
    expect(read.length).toBeGreaterThan(10);
    const known = namesOf(TEMPORAL_VARIABLES).map((name) => name.replace('*', ''));
    expect(known).toEqual(expect.arrayContaining([...new Set(read)]));
  });

  it('has every variable of docker-compose.yml, with the default that stands there', async () => {
    const text = await readFile(join(root, 'docker-compose.yml'), 'utf8');
    const used = [...text.matchAll(/\$\{(\w+)(?::-([^}]*))?/g)];
    expect(namesOf(all)).toEqual(expect.arrayContaining(used.map(([, name]) => name)));
    for (const { name, byDefault } of COMPOSE_VARIABLES) {
      const defaults = used.filter(([, one]) => one === name).map(([, , value]) => value);
      expect([...new Set(defaults)], name).toEqual([byDefault]);
    }
  });
});

/** Sorted, each once. */
async function namesIn(folder: string, pattern: RegExp, except: string): Promise<string[]> {
  const files = (await readdir(join(root, folder), { recursive: true })).filter((file) => file.endsWith('.ts'));
  const texts = files
    .filter((file) => !file.startsWith(except))
    .map((file) => readFile(join(root, folder, file), 'utf8'));
  return [...new Set((await Promise.all(texts)).flatMap((text) => text.match(pattern) ?? []))].sort();
}
