import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normaliseGpu } from '../../src/domain/gpu.js';

/**
 * A copy of the project's `shared/data/gpu-names.csv`: 856 names as providers, drivers and lists write them, each with
 * what it must be read as and with where it was found (last column). An empty cell must come out empty.
 */
const CASES = readFileSync(new URL('data/gpu-names.csv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map(cells);

/** RFC 4180, as far as the file needs it: quotes, no line breaks inside. */
function cells(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain,
  );
}

const toNumber = (cell = ''): number | undefined => (cell === '' ? undefined : Number(cell));
const toText = (cell = ''): string | undefined => (cell === '' ? undefined : cell);

const GPUS = CASES.map(
  ([raw = '', provider = '', hintMemory, hintInterconnect, manufacturer, name, memory, interconnect, count]) => {
    const hints = { memoryGb: toNumber(hintMemory), interconnect: toText(hintInterconnect) };
    const expected = {
      raw,
      manufacturer: toText(manufacturer),
      name: toText(name),
      memoryGb: toNumber(memory),
      interconnect: toText(interconnect),
      count: toNumber(count),
    };
    return { raw, provider, hints, expected };
  },
);

function read(raw: string, { memoryGb, interconnect }: (typeof GPUS)[number]['hints'] = {} as never) {
  return normaliseGpu(raw, {
    ...(memoryGb !== undefined && { memoryGb }),
    ...(interconnect !== undefined && { interconnect }),
  });
}

describe('a GPU name, as it is found in the world', () => {
  it('is one of 856', () => expect(GPUS).toHaveLength(856));

  it.each(GPUS)('$raw ($provider)', ({ raw, hints, expected }) => {
    const { fraction: _, ...gpu } = read(raw, hints);
    expect(gpu).toEqual(JSON.parse(JSON.stringify(expected)));
  });

  it.each(GPUS)('means the same in any case, and separated otherwise: $raw', ({ raw, hints, expected }) => {
    if (raw.startsWith('v') && expected.manufacturer === 'Google') return; // `v2-8` is a TPU by its dash
    expect(read(raw.toUpperCase(), hints).name).toBe(expected.name);
    expect(read(raw.toLowerCase(), hints).name).toBe(expected.name);
  });
});

describe('a normalised name', () => {
  const names = [...new Set(GPUS.flatMap(({ expected }) => expected.name ?? []))];

  it.each(names)('%s is itself, normalised', (name) => expect(normaliseGpu(name).name).toBe(name));

  it.each(names)('%s is found behind its maker, and before its memory', (name) => {
    const { manufacturer } = normaliseGpu(name);
    if (manufacturer === 'Google') return;
    expect(normaliseGpu(`8x ${manufacturer} ${name} PCIe`)).toMatchObject({ name, manufacturer, count: 8 });
  });
});

describe('any text at all', () => {
  const pieces = fc.oneof(
    fc.constantFrom(...GPUS.map(({ raw }) => raw)),
    fc.constantFrom(
      '8x',
      'x',
      '_',
      '-',
      '[',
      ']',
      'SXM',
      '80GB',
      'MIG',
      '1g.5gb',
      'NVIDIA',
      'RTX',
      '6000',
      '\n',
      'İ',
      '×',
    ),
    fc.string({ maxLength: 12 }),
  );
  const texts = fc.array(pieces, { maxLength: 6 }).map((parts) => parts.join(''));

  it('is read without a throw, keeps its raw text, and is read twice as once', () => {
    fc.assert(
      fc.property(texts, fc.option(fc.double(), { nil: undefined }), (raw, memoryGb) => {
        const gpu = normaliseGpu(raw, { ...(memoryGb !== undefined && { memoryGb }) });
        expect(gpu.raw).toBe(raw);
        if (gpu.name !== undefined) {
          const hint = gpu.memoryGb === undefined ? {} : { memoryGb: gpu.memoryGb };
          expect(normaliseGpu(gpu.name, hint).name).toBe(gpu.name);
        }
        if (gpu.memoryGb !== undefined) expect(Number.isInteger(gpu.memoryGb) && gpu.memoryGb > 0).toBe(true);
        if (gpu.count !== undefined) expect(gpu.count).toBeGreaterThan(0);
      }),
      { numRuns: 2_000 },
    );
  });

  it('of any length costs no more than a short one', () => {
    for (const noise of ['1x', '8', 'rtx', '-', 'a10', '1gb ', 'nvidia ']) {
      expect(normaliseGpu(noise.repeat(200_000)).raw).toHaveLength(noise.length * 200_000);
    }
  });
});
