import { describe, expect, it } from 'vitest';
import { collectPages } from '../../src/adapters/pages.js';
import { type ErrorKind, ProviderError } from '../../src/domain/errors.js';

/** A listing of three pages, whose middle one fails this often before it answers. */
function listing(failures: number, kind: ErrorKind = 'ServiceUnavailable') {
  const pages = [{ items: ['a', 'b'], nextPageToken: '1' }, { items: ['c'], nextPageToken: '2' }, { items: ['d'] }];
  let left = failures;
  let asked = 0;
  const getPage = async (token: string | undefined) => {
    asked += 1;
    if (token === '1' && left-- > 0) throw new ProviderError({ kind, message: 'no answer' });
    return pages[Number(token ?? 0)] ?? { items: [] };
  };
  const collect = () =>
    collectPages({ provider: 'acme', operation: 'listInstances', getPage, idOf: (id: string) => id });
  return { collect, asked: () => asked };
}

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

  it.each(['RateLimited', 'Unauthenticated', 'PermissionDenied'] as const)(
    'does not repeat a page after %s',
    async (kind) => {
      const { collect, asked } = listing(1, kind);
      await expect(collect()).rejects.toMatchObject({ kind });
      expect(asked()).toBe(2);
    },
  );
});
