import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { PHASES, type Phase } from '../../src/domain/instance/index.js';
import { reachableTransitions } from './transitions.js';

describe('the state diagram in docs/lifecycle.md', () => {
  let drawn: { from: string; to: string; edge: string }[];
  let possible: Set<string>;

  beforeAll(async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/lifecycle.md'), 'utf8');
    const diagram = /```mermaid\n(stateDiagram-v2[\s\S]*?)```/.exec(page)?.[1] ?? '';
    drawn = [...diagram.matchAll(/^\s*(\S+) --> (\S+?)(?:: .+)?$/gm)].map(([, from = '', to = '']) => ({
      from,
      to,
      edge: `${from} --> ${to}`,
    }));
    possible = reachableTransitions();
  });

  const inner = () => drawn.filter(({ from, to }) => from !== '[*]' && to !== '[*]').map(({ edge }) => edge);

  it('draws only what can happen', () => expect(inner().filter((edge) => !possible.has(edge))).toEqual([]));
  it('lacks nothing that can happen', () =>
    expect([...possible].filter((edge) => !inner().includes(edge))).toEqual([]));
  it('draws each once', () => expect(new Set(inner()).size).toBe(inner().length));

  it('begins at placing and ends at terminated, and nowhere else', () => {
    const ends = drawn.filter(({ from, to }) => from === '[*]' || to === '[*]').map(({ edge }) => edge);
    expect(ends).toEqual(['[*] --> placing', 'terminated --> [*]']);
  });
});

describe('the lifecycle', () => {
  let edges: [Phase, Phase][];
  beforeAll(() => {
    edges = [...reachableTransitions()].map((edge) => edge.split(' --> ') as [Phase, Phase]);
  });
  const reach = (from: Phase): Set<Phase> => {
    const found = new Set<Phase>([from]);
    for (const phase of found) for (const [a, b] of edges) if (a === phase) found.add(b);
    return found;
  };

  it('reaches every phase', () => expect([...reach('placing')].sort()).toEqual([...PHASES].sort()));
  it.each(PHASES)('can be ended from %s', (phase) => expect(reach(phase)).toContain('terminated'));
  it('leads nowhere from terminated', () => expect([...reach('terminated')]).toEqual(['terminated']));
});
