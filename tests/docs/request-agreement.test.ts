import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { requestSchema } from '../../src/client/schemas.js';
import { requestIssues } from '../../src/domain/instance/index.js';
import { INVALID_REQUESTS, VALID_REQUEST } from '../domain/invalid-requests.js';
import { requestInput } from '../domain/stories.js';

/** As docs/schemas has it, in the hands of somebody who has only that. */
const fitsJsonSchema = new Ajv2020({ strict: false, validateFormats: false }).compile(
  z.toJSONSchema(requestSchema, { io: 'input' }),
);

const sent = (request: unknown): unknown => JSON.parse(JSON.stringify(request));
const accepts = (request: unknown) => ({
  byHand: requestIssues(request).length === 0,
  zod: requestSchema.safeParse(request).success,
});

describe('validator, zod schema and JSON schema of a request', () => {
  it.each([VALID_REQUEST, requestInput()])('accept a good one', (request) => {
    expect({ ...accepts(request), jsonSchema: fitsJsonSchema(sent(request)) }).toEqual({
      byHand: true,
      zod: true,
      jsonSchema: true,
    });
  });

  it.each(INVALID_REQUESTS)('refuse $what', ({ request, beyondJsonSchema }) => {
    expect(accepts(sent(request))).toEqual({ byHand: false, zod: false });
    expect(fitsJsonSchema(sent(request))).toBe(beyondJsonSchema === true);
  });

  it.each(INVALID_REQUESTS)('name the same field: $what', ({ request, path }) => {
    const { error } = requestSchema.safeParse(sent(request));
    const fields = error?.issues.flatMap((issue) => {
      const at = issue.path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
      const extra = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => `${at}.${key}`) : [at];
      return extra.map((one) => one.replace(/^\./, ''));
    });
    // A repeated offer is named by its list.
    expect(fields?.some((field) => field === path || path === `${field}[1]` || field.startsWith(`${path}.`))).toBe(
      true,
    );
  });
});

/** Values that are nearly right, beside any JSON. */
const NEARLY = [
  '',
  ' ',
  'a',
  'a b',
  'a\n',
  '-',
  'a-',
  'ä',
  'x'.repeat(64),
  'x'.repeat(300),
  '20m',
  '0s',
  '31d',
  '1h30m',
  '10.0.0.0/8',
  '10.0.0.0/33',
  '::/0',
  '::1/129',
  '1.2.3/8',
  'GiB',
  'AAAA',
  'AAA=',
  'A===',
  'AA==',
  'park',
  'slipway',
  'refId',
  0,
  1,
  22,
  80.5,
  65_535,
  65_536,
  -1,
  1e21,
  null,
  true,
  [],
  {},
  [''],
  [{}],
  { value: 1, unit: 'GiB' },
  { value: 0, unit: 'B' },
];
const nearly = fc.oneof(fc.constantFrom(...NEARLY), fc.string({ maxLength: 70 }), fc.jsonValue({ maxDepth: 2 }));

type Json = unknown;
const isObject = (value: Json): value is Record<string, Json> => typeof value === 'object' && value !== null;

/** Walks down by chance, then replaces, removes, adds or doubles what is there. */
function mutate(value: Json, steps: readonly number[], how: number, replacement: Json): Json {
  const [step, ...rest] = steps;
  const keys = isObject(value) ? Object.keys(value) : [];
  if (step === undefined || keys.length === 0) return replacement;
  const key = keys[step % keys.length] as string;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, Json>;
  if (rest.length > 0) copy[key] = mutate(copy[key], rest, how, replacement);
  else if (how === 0) copy[key] = replacement;
  else if (how === 1 && Array.isArray(copy)) copy.splice(step % keys.length, 1);
  else if (how === 1) delete copy[key];
  else if (Array.isArray(copy)) copy.push(how === 2 ? replacement : copy[key]);
  else copy[typeof replacement === 'string' ? replacement : 'extra'] = how === 2 ? replacement : copy[key];
  return copy;
}

const mutants = fc
  .tuple(fc.array(fc.nat(11), { minLength: 1, maxLength: 5 }), fc.nat(3), nearly)
  .map(([steps, how, replacement]) => sent(mutate(VALID_REQUEST, steps, how, replacement)))
  // JSON may name a field `__proto__`; zod leaves it out before it looks, requestIssues names it.
  .filter((request) => !JSON.stringify(request).includes('"__proto__"'));

// Thousands of cases each: some seconds alone, many beside the rest of the tests.
describe('any change of a good request', { timeout: 60_000 }, () => {
  it('makes a fair sample: some are good, most are not', () => {
    const sample = fc.sample(mutants, { numRuns: 2_000, seed: 1 });
    const good = sample.filter((request) => requestIssues(request).length === 0).length;
    expect(good).toBeGreaterThan(100);
    expect(good).toBeLessThan(1_900);
  });

  it('is judged alike by the validator and the zod schema', () =>
    fc.assert(
      fc.property(mutants, (request) => {
        const { byHand, zod } = accepts(request);
        expect({ zod, issues: requestIssues(request) }).toMatchObject(byHand ? { zod: true } : { zod: false });
      }),
      { numRuns: 5_000 },
    ));

  it('is never refused by the JSON schema alone: what it refuses is wrong', () =>
    fc.assert(
      fc.property(mutants, (request) => {
        if (!fitsJsonSchema(request)) expect(requestIssues(request)).not.toEqual([]);
      }),
      { numRuns: 5_000 },
    ));
});
