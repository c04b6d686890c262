import { describe, expect, it } from 'vitest';
import { HttpFailure, type HttpFailureFacts } from '../../src/adapters/http-failure.js';
import { collectPages } from '../../src/adapters/pages.js';
import { type ErrorKind, ProviderError } from '../../src/domain/errors.js';

/** A listing of three pages, whose middle one fails this often before it answers. */
function listing(failures: number, failure: ErrorKind | Error = 'ServiceUnavailable') {
  const pages = [{ items: ['a', 'b'], nextPageToken: '1' }, { items: ['c'], nextPageToken: '2' }, { items: ['d'] }];
  let left = failures;
  let asked = 0;
  const getPage = async (token: string | undefined) => {
    asked += 1;
    if (token === '1' && left-- > 0) throw errorOf(failure);
    return pages[Number(token ?? 0)] ?? { items: [] };
  };
  const collect = () =>
    collectPages({ provider: 'acme', operation: 'listInstances', getPage, idOf: (id: string) => id });
  return { collect, asked: () => asked };
}

const errorOf = (failure: ErrorKind | Error) =>
  failure instanceof Error ? failure : new ProviderError({ kind: failure, message: 'no answer' });
const http = (facts: Partial<HttpFailureFacts>) =>
  new HttpFailure('GET /x', { reason: 'status', sent: 'maybe', ...facts });

describe('a listing of several pages', () => {
  it('asks again for a page that failed, and is whole', async () => {
    const { collect, asked } = listing(2);
    expect(await collect()).toEqual(['a', 'b', 'c', 'd']);
    expect(asked()).toBe(5);
  });

  it('fails when a page keeps failing: what it lacks would be taken for gone', async () => {
    const { collect, asked } = listing(3);
    await expect(collect()).rejects.toMatchObject({ kind: 'ServiceUnavailable' });
    expect(asked()).toBe(4);
  });

  it.each([http({ reason: 'connection' }), http({ reason: 'timeout' }), http({ status: 502 })])(
    'asks again after what a client throws before it is translated: %s',
    async (failure) => expect(await listing(1, failure).collect()).toHaveLength(4),
  );

  it.each([http({ status: 503 }), http({ status: 429 }), http({ status: 401 }), http({ reason: 'cancelled' })])(
    'does not after one that says no, or wait: %s',
    async (failure) => await expect(listing(1, failure).collect()).rejects.toBe(failure),
  );

  it.each(['RateLimited', 'Unauthenticated', 'PermissionDenied'] as const)(
    'does not repeat a page after %s',
    async (kind) => {
      const { collect, asked } = listing(1, kind);
      await expect(collect()).rejects.toMatchObject({ kind });
      expect(asked()).toBe(2);
    },
  );
});
