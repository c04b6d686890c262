import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ADAPTERS } from '../../src/adapters/registry.js';
import { CHECKS, groupOf } from '../../src/conformance/index.js';
import { ERROR_KINDS } from '../../src/domain/errors.js';

const root = join(import.meta.dirname, '../..');
const guide = await readFile(join(root, 'docs/integration-guide.md'), 'utf8');
const adding = await readFile(join(root, 'docs/adding-a-provider.md'), 'utf8');
const text = guide.slice(0, guide.indexOf('## The checks'));

describe('the integration guide', () => {
  /** `[`a`, `b`]`: the checks that prove a requirement. */
  const named = [...text.matchAll(/\[((?:`[\w.-]+`(?:,\s+)?)+)\]/g)].flatMap(([, list = '']) =>
    [...list.matchAll(/`([\w.-]+)`/g)].map(([, id = '']) => id),
  );

  it('names no check that the suite does not have', () => {
    const ids = CHECKS.map(({ id }) => id);
    expect(named.filter((id) => !ids.includes(id))).toEqual([]);
  });

  it('has a requirement for every check of the suite', () => {
    expect(CHECKS.map(({ id }) => id).filter((id) => !named.includes(id))).toEqual([]);
  });

  it('names groups and checks only that the command knows, where it shows how to choose', () => {
    const chosen = [...text.matchAll(/--(?:only|skip) ([\w.,-]+)/g)].flatMap(([, list = '']) => list.split(','));
    const known = CHECKS.flatMap(({ id }) => [id, groupOf(id)]);
    expect(chosen.length).toBeGreaterThan(0);
    expect(chosen.filter((name) => !known.includes(name))).toEqual([]);
  });

  it('says what to map to every kind that a provider can cause, out of stock first', () => {
    const rows = [...text.matchAll(/^\| [^|]+ \| `(\w+)`/gm)].map(([, kind]) => kind);
    expect(rows[0]).toBe('InsufficientResources');
    const OURS = ['UnknownOutcome', 'WaitTimeout', 'InstanceFailed', 'SshUnreachable', 'FirewallUnverified'];
    expect([...rows].sort()).toEqual(ERROR_KINDS.filter((kind) => !OURS.includes(kind)).sort());
  });
});

describe('how to add a provider', () => {
  const quoted = [...adding.matchAll(/`([^`\n]+)`/g)].map(([, name = '']) => name);

  it('names files that are there', () => {
    const paths = quoted.filter((name) => /^(?:src|tests|docs)\/[\w./-]+$/.test(name));
    expect(paths.length).toBeGreaterThan(5);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('names helpers that exist', async () => {
    const sources = await sourcesOf('src/adapters', 'src/domain', 'tests/adapters', 'src/simcloud');
    const helpers = quoted.filter((name) => /^(?:[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|[A-Z_]{6,})$/.test(name));
    expect(helpers.length).toBeGreaterThan(15);
    expect(helpers.filter((name) => !new RegExp(`\\b${name}\\b`).test(sources))).toEqual([]);
  });

  /** `netns` is this computer and no vendor: no client, no dialect. */
  const vendors = ADAPTERS.map(({ id }) => id).filter((id) => id !== 'netns');

  it.each(vendors)('is how %s was added', (id) => {
    const files = ['index.ts', 'client.ts', 'mapping.ts', 'errors.ts', 'adapter.ts', 'README.md'];
    const wanted = [
      ...files.map((file) => `src/adapters/${id}/${file}`),
      `src/simcloud/dialects/${id}.ts`,
      `tests/adapters/${id}.contract.test.ts`,
      `tests/adapters/${id}.test.ts`,
    ];
    expect(wanted.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('has a dialect for chaos for each', async () => {
    const { DIALECTS } = await import('../support/dialects.js');
    expect(Object.keys(DIALECTS).sort()).toEqual([...vendors].sort());
  });
});

async function sourcesOf(...folders: string[]): Promise<string> {
  const texts = folders.map(async (folder) => {
    const files = await readdir(join(root, folder), { recursive: true });
    const sources = files
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFile(join(root, folder, file), 'utf8'));
    return (await Promise.all(sources)).join('\n');
  });
  return (await Promise.all(texts)).join('\n');
}
