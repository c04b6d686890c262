import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { CreateInstanceAttrs, CreateOutcome } from '../../src/domain/provider.js';
import { accountWith, run } from './account.js';

const PRIVATE_KEY = generateKeyPairSync('rsa', {
  modulusLength: 2_048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey.trim();
const SECRET = JSON.stringify({ id: 'account-1', private_key: PRIVATE_KEY });

/** Runs a create and the check, with what the adapter lets out in the create's outcome. */
async function runWith(leak: (attrs: CreateInstanceAttrs) => string) {
  const leaky = (outcome: CreateOutcome, attrs: CreateInstanceAttrs): CreateOutcome =>
    outcome.outcome === 'exists'
      ? { ...outcome, instance: { ...outcome.instance, statusMessage: leak(attrs) } }
      : { ...outcome, failure: { ...outcome.failure, message: leak(attrs) } };
  const { account } = await accountWith({
    adapter: (good) => ({
      createInstance: async (attrs, signal) => leaky(await good.createInstance(attrs, signal), attrs),
    }),
  });
  return await run({ ...account, secrets: [SECRET] }, 'create.accepted,secrets.hidden');
}

describe('secrets.hidden', () => {
  it.each<[string, (attrs: CreateInstanceAttrs) => string]>([
    ['the private key of a service account, as it was read', () => PRIVATE_KEY],
    ['the private key, as it stands in its JSON', () => JSON.stringify(PRIVATE_KEY)],
    ['the whole document', () => SECRET],
    ['user data in base64', ({ userDataBase64 = '' }) => userDataBase64],
    [
      'user data inside what the adapter makes of it',
      ({ userDataBase64 = '' }) =>
        Buffer.from(`MIME-Version: 1.0\n\n${Buffer.from(userDataBase64, 'base64')}\n--`).toString('base64'),
    ],
  ])('finds %s', async (_what, leak) => {
    const { code, text } = await runWith(leak);
    expect(text).toMatch(/^secrets\.hidden +failed/m);
    expect(code).toBe(1);
  });

  it('finds nothing where nothing was let out', async () => {
    expect(await runWith(() => 'all is well')).toMatchObject({ code: 0 });
  });
});
