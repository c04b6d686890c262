import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SHARED_MODULES } from '../src/workflow-bundle.js';

const SRC = fileURLToPath(new URL('../src/', import.meta.url));
/** Has state that is a workflow's own: what imports it must be loaded anew for each workflow as well. */
const STATEFUL = 'workflows/journal-feed.ts';

/** Every module of ours that the shared ones load, themselves included; imports of types are gone by then. */
function sharedSources(): Map<string, string> {
  const sources = new Map<string, string>();
  const load = (file: string): void => {
    if (sources.has(file)) return;
    const text = readFileSync(join(SRC, file), 'utf8');
    sources.set(file, text);
    for (const [, clause = '', path = ''] of text.matchAll(/^(?:import|export) ([^;]*?)from '(\.[^']+)';/gm)) {
      if (!clause.startsWith('type ')) load(join(file, '..', path).replace(/\.js$/, '.ts'));
    }
  };
  for (const module of SHARED_MODULES) load(module.replace(/^\.\//, '').replace(/\.js$/, '.ts'));
  return sources;
}

describe('modules that all workflows of a worker share', () => {
  const sources = sharedSources();

  it('hold nothing that could change: what one workflow kept there, another would read', () => {
    expect(sources.size).toBeGreaterThan(30);
    for (const [file, text] of sources) {
      expect(text, file).not.toMatch(/^(?:export )?(?:let|var) /m);
      expect(text, file).not.toMatch(/^(?:export )?const [^=\n]*= (?:\{\}|\[\]);/m);
      // A frozen Map or Set can still be added to.
      const collections = text.matchAll(/^(?:export )?const (\w+)(: Readonly\w+<[^=]*>)? = new (\w+)/gm);
      for (const [line, , isReadonly] of collections) expect(isReadonly, `${file}: ${line}`).toBeDefined();
    }
  });

  it('do not load what has a workflow’s own state', () => {
    expect(readFileSync(join(SRC, STATEFUL), 'utf8')).toMatch(/^const feed = new /m);
    expect([...sources.keys()]).not.toContain(STATEFUL);
  });

  it('are those of every step, or a new one would be loaded anew for each workflow', () => {
    for (const step of readdirSync(join(SRC, 'workflows/steps'))) {
      expect([...sources.keys()]).toContain(`workflows/steps/${step}`);
    }
  });
});
