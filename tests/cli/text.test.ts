import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findJsonFault } from '../../src/cli/json-fault.js';
import { table } from '../../src/cli/table.js';
import { cut, wrap } from '../../src/cli/terminal.js';

describe('where JSON stops being JSON', () => {
  it.each([
    ['{"a": 1,}', 8],
    ['{"a" 1}', 5],
    ['[1, 2', 5],
    ['{"a": tru}', 6],
    ['{a: 1}', 1],
    ['[1] 2', 4],
    ['{"a": "x\ny"}', 6],
    ['', 0],
    ['[01]', 2],
  ])('of %j it names offset %i', (text, offset) => {
    expect(findJsonFault(text)).toBe(offset);
  });

  it('finds a fault in exactly what JSON.parse refuses', () => {
    const almostJson = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '"', '}', 'x', '\\', '0'))
      .map(
        ([json, at, noise]) => json.slice(0, at % (json.length + 1)) + noise + json.slice((at % (json.length + 1)) + 1),
      );
    fc.assert(
      fc.property(fc.oneof(fc.json(), almostJson), (text) => {
        expect(findJsonFault(text) === undefined).toBe(isJson(text));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a table', () => {
  const columns = [
    { title: 'NAME', text: ({ name }: { name: string }) => name, min: 6 },
    { title: 'AGE', text: () => '3.0s' },
  ];
  const rows = [{ name: 'a-name-that-is-quite-long-for-a-column' }, { name: 'b' }];

  it('cuts nothing in a pipe', () => {
    expect(table(columns, rows, undefined).join('\n')).toContain('a-name-that-is-quite-long-for-a-column');
  });

  it.each([80, 40, 20, 8])('has no line longer than %i columns, and says what it cut', (width) => {
    const lines = table(columns, rows, width);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
    if (width < 40) expect(lines[1]).toContain('…');
  });
});

describe('text in a narrow terminal', () => {
  it('is cut with …, never in a pipe', () => {
    expect(cut('abcdef', 4)).toBe('abc…');
    expect(cut('abcdef', 6)).toBe('abcdef');
    expect(cut('abcdef', undefined)).toBe('abcdef');
  });

  it('breaks between words, and keeps every one of them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 }),
        fc.integer({ min: 12, max: 40 }),
        (words, width) => {
          const lines = wrap(words.join(' '), width);
          expect(lines.join(' ')).toBe(words.join(' '));
          expect(lines.every((line) => line.length <= width)).toBe(true);
        },
      ),
    );
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
