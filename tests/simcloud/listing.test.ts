import { describe, expect, it } from 'vitest';
import type { Simcloud } from '../../src/simcloud/index.js';
import { call, cloudWith, create, specFor } from './support.js';

const REFS = ['a', 'b', 'c', 'd', 'e'];

/** Every page that the cloud gives, as the refIds on it; ends with the status of a page that failed. */
async function pages(cloud: Simcloud, query = ''): Promise<(string[] | number)[]> {
  const seen: (string[] | number)[] = [];
  let pageToken: string | undefined;
  do {
    const path: string = `/instances?${query}${pageToken ? `&pageToken=${pageToken}` : ''}`;
    const { status, body } = await call(cloud, 'GET', path);
    if (status !== 200) return [...seen, status];
    seen.push(body.instances.map(({ tags }) => tags.refId ?? '?'));
    pageToken = body.nextPageToken;
  } while (pageToken);
  return seen;
}

async function fiveMachines(): Promise<Simcloud> {
  const cloud = await cloudWith({ pageSize: 2 });
  for (const ref of REFS) await create(cloud, specFor(ref, { location: ref === 'e' ? 'us-east-1' : 'us-west-1' }));
  return cloud;
}

describe('a listing', () => {
  it('comes in pages, in order of creation', async () => {
    const cloud = await fiveMachines();
    expect(await pages(cloud)).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });

  it('is narrowed by tags, all of which must be there, and by location', async () => {
    const cloud = await fiveMachines();
    await create(cloud, specFor('x', { tags: { refId: 'x', team: 'a=b' } }));
    expect(await pages(cloud, 'tag=refId%3Dc')).toEqual([['c']]);
    expect(await pages(cloud, 'tag=refId%3Dx&tag=team%3Da%3Db')).toEqual([['x']]);
    expect(await pages(cloud, 'tag=refId%3Dc&tag=team%3Da')).toEqual([[]]);
    expect(await pages(cloud, 'location=us-east-1')).toEqual([['e']]);
    expect((await call(cloud, 'GET', '/instances?tag=refId')).status).toBe(422);
    expect((await call(cloud, 'GET', '/instances?pageToken=x')).body.error.field).toBe('pageToken');
  });

  it('lacks a new machine for as long as it lags, tag look-ups too; get knows it at once', async () => {
    const cloud = await cloudWith({ timing: { listingLagMs: 60_000 } });
    const { id } = await create(cloud, specFor('a'));
    expect(await pages(cloud)).toEqual([[]]);
    expect(await pages(cloud, 'tag=refId%3Da')).toEqual([[]]);
    expect((await call(cloud, 'GET', `/instances/${id}`)).status).toBe(200);
    await cloud.control.advance(60_000);
    expect(await pages(cloud, 'tag=refId%3Da')).toEqual([['a']]);
  });
});

describe('a listing that fails', () => {
  it.each([
    ['list-loses-page', [['a', 'b'], ['e']]],
    ['list-repeats-page', [['a', 'b'], ['a', 'b'], ['c', 'd'], ['e']]],
    ['list-fails-on-page-2', [['a', 'b'], 500]],
  ] as const)('%s does so once, and then is whole again', async (kind, expected) => {
    const cloud = await fiveMachines();
    await cloud.control.addFault({ operation: 'list', kind });
    expect(await pages(cloud)).toEqual(expected);
    expect(await pages(cloud)).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });

  it('list-loses-page leaves nothing of a listing of one page', async () => {
    const cloud = await fiveMachines();
    await cloud.control.addFault({ operation: 'list', kind: 'list-loses-page', match: { tag: { refId: 'c' } } });
    expect(await pages(cloud)).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    expect(await pages(cloud, 'tag=refId%3Dc')).toEqual([[]]);
  });

  it('list-lags hides one machine when it strikes its create, and all young ones when it strikes a list', async () => {
    const cloud = await cloudWith();
    await cloud.control.addFault({ operation: 'create', kind: 'list-lags', delayMs: 60_000 });
    await create(cloud, specFor('a'));
    await create(cloud, specFor('b'));
    expect(await pages(cloud)).toEqual([['b']]);
    await cloud.control.addFault({ operation: 'list', kind: 'list-lags', delayMs: 60_000 });
    expect(await pages(cloud)).toEqual([[]]);
    await cloud.control.advance(60_000);
    expect(await pages(cloud)).toEqual([['a', 'b']]);
  });
});
