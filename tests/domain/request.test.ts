import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_POLICY,
  type InstanceRequestInput,
  requestIssues,
  sameRequest,
  toInstanceRequest,
} from '../../src/domain/instance/index.js';
import { INVALID_REQUESTS, VALID_REQUEST } from './invalid-requests.js';
import { requestInput } from './stories.js';

describe('a request with one thing wrong', () => {
  it('has cases enough', () => expect(INVALID_REQUESTS.length).toBeGreaterThanOrEqual(45));

  it.each(INVALID_REQUESTS)('$what: names "$path", and nothing else', ({ request, path }) => {
    const paths = requestIssues(request).map((issue) => issue.path);
    expect(paths).toContain(path);
    // Two networks are wrong in one case; everywhere else one fault is one issue.
    expect(new Set(paths.map((one) => one.replace(/\[\d+\]$/, ''))).size).toBe(1);
  });

  it('says something about each', () => {
    for (const { request } of INVALID_REQUESTS)
      for (const { message } of requestIssues(request)) expect(message).toMatch(/^(must|is|key must) /);
  });
});

describe('a request with many things wrong', () => {
  it('names them all at once', () => {
    const request = { ...VALID_REQUEST, refId: '', name: '', offers: [], policy: { maxOffers: 0 } };
    expect(requestIssues(request).map(({ path }) => path)).toEqual(['refId', 'name', 'offers', 'policy.maxOffers']);
  });
});

describe('a valid request', () => {
  it('has no issue: as full as can be, and as short', () => {
    expect(requestIssues(VALID_REQUEST)).toEqual([]);
    expect(requestIssues(requestInput())).toEqual([]);
  });

  it('may leave out what has a default, down to the networks of a rule', () => {
    const rule = { fromPort: 1, toPort: 2 };
    const request = { ...requestInput(), firewallRules: { ingressRules: [rule] }, policy: {}, tags: {} };
    expect(requestIssues(request)).toEqual([]);
    expect(toInstanceRequest(request as unknown as InstanceRequestInput)).toMatchObject({
      firewallRules: { ingressRules: [{ ...rule, ipRanges: [] }], egressRules: [] },
      policy: DEFAULT_POLICY,
      tags: {},
      sshKeyRef: 'default',
    });
  });

  it('is the same request whatever the order of its tags and rules, and with defaults spelt out', () => {
    const one = toInstanceRequest({ ...requestInput(), tags: { a: '1', b: '2' } });
    const other = toInstanceRequest({
      ...requestInput(),
      tags: { b: '2', a: '1' },
      policy: DEFAULT_POLICY,
      sshKeyRef: 'default',
    });
    expect(sameRequest(one, other)).toBe(true);
  });

  it('is another request with its offers in another order', () => {
    const input = requestInput();
    const reversed = { ...input, offers: [...input.offers].reverse() };
    expect(sameRequest(toInstanceRequest(input), toInstanceRequest(reversed))).toBe(false);
  });
});

describe('any JSON value', () => {
  it('gets an answer, never an exception', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        expect(Array.isArray(requestIssues(value))).toBe(true);
      }),
    );
  });

  it('in any field of a good request gets an answer too, and issues name that field', () => {
    const fields = fc.constantFrom(...(Object.keys(VALID_REQUEST) as (keyof InstanceRequestInput)[]));
    fc.assert(
      fc.property(fields, fc.jsonValue({ maxDepth: 3 }), (field, value) => {
        for (const { path } of requestIssues({ ...VALID_REQUEST, [field]: value })) {
          expect(path.startsWith(field)).toBe(true);
        }
      }),
    );
  });

  it('that is valid can be filled in, and stays the same when it goes through JSON', () => {
    const request = toInstanceRequest(VALID_REQUEST);
    expect(JSON.parse(JSON.stringify(request))).toEqual(request);
  });
});
