import { describe, expect, it } from 'vitest';
import { perObject, UnchangedPages } from '../../src/adapters/unchanged.js';
import { API_KEY, attrsFor, calm, cloudWith, openProvider, STEP_MS } from './clouds.js';

describe('pages of a listing', () => {
  it('are read once while they come unchanged, and forgotten once a listing came without them', () => {
    const pages = new UnchangedPages();
    const reads: string[] = [];
    const get = (text: string) =>
      pages.get(text, () => {
        reads.push(text);
        return { text };
      });
    const listing = (...texts: string[]) => {
      pages.begin();
      return texts.map(get);
    };
    const [one, two] = listing('one', 'two');
    expect(listing('one', 'two!')[0]).toBe(one);
    expect(listing('one')[0]).toBe(one);
    expect(reads).toEqual(['one', 'two', 'two!']);
    expect(listing('two')[0]).toEqual(two);
    expect(reads).toEqual(['one', 'two', 'two!', 'two']);
  });

  it('that cannot be read are read again', () => {
    const pages = new UnchangedPages();
    const unreadable = () => pages.get('{', () => JSON.parse('{'));
    expect(unreadable).toThrow(SyntaxError);
    expect(unreadable).toThrow(SyntaxError);
    expect(pages.get('{', () => 'read')).toBe('read');
  });
});

describe('what is made per object', () => {
  it('is made once for each', () => {
    const made = perObject(({ name }: { name: string }) => ({ name }));
    const [a, b] = [{ name: 'x' }, { name: 'x' }];
    expect(made(a)).toBe(made(a));
    expect(made(a)).not.toBe(made(b));
  });
});

describe('an account that is listed twice', () => {
  it('gives the same machine where its page is the same, and what is new where it is not', async () => {
    const cloud = await cloudWith({ pageSize: 1 });
    const at = { cloudCredRefId: 'sim-main', location: 'us-west-1', instanceType: 'gpu_1x_a10' };
    const apiUrl = `${cloud.url}/sim/v1`;
    const provider = openProvider({ cloudCredRefId: 'sim-main', provider: 'sim', apiUrl, apiKey: API_KEY });
    await provider.createInstance(attrsFor('one', at), calm);
    await cloud.control.advance(STEP_MS);
    await provider.createInstance(attrsFor('two', at), calm);
    const list = async () => {
      const listed = await provider.listInstances(calm);
      return ['one', 'two'].map((refId) => listed.find((instance) => instance.refId === refId));
    };
    const [one, two] = await list();
    expect([one?.status, two?.status]).toEqual(['running', 'pending']);
    await cloud.control.advance(STEP_MS);
    const [oneAgain, twoLater] = await list();
    expect(oneAgain).toBe(one);
    expect(twoLater?.status).toBe('running');
  });
});
