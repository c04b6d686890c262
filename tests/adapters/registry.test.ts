import { describe, expect, it } from 'vitest';
import { ADAPTERS, createProviders, getProvider } from '../../src/adapters/registry.js';
import { redact } from '../../src/redact.js';

const SIM = { provider: 'sim', apiUrl: 'http://sim.test/sim/v1', apiKey: 'planted-registry-key' };

describe('the registry', () => {
  it('opens one client per credential, also several of one provider', () => {
    const credentials = [
      { ...SIM, cloudCredRefId: 'a' },
      { ...SIM, cloudCredRefId: 'b', pollIntervalMs: 7, requestsPerSecond: 3, createsPerMinute: 5, listingLagMs: 9 },
    ];
    const providers = createProviders({ credentials });
    expect([...providers.keys()]).toEqual(['a', 'b']);
    expect(getProvider(providers, 'a')).toMatchObject({ id: 'sim', cloudCredRefId: 'a' });
    expect(getProvider(providers, 'a').limits).toEqual({ pollIntervalMs: 1_000, listingLagMs: 0 });
    expect(getProvider(providers, 'b').limits).toEqual({
      pollIntervalMs: 7,
      listingLagMs: 9,
      requestsPerSecond: 3,
      createsPerMinute: 5,
    });
  });

  it('refuses an unknown credential as InvalidRequest, naming it and what is configured', () => {
    const providers = createProviders({ credentials: [{ ...SIM, cloudCredRefId: 'known-one' }] });
    const unknown = expect.objectContaining({
      kind: 'InvalidRequest',
      message: expect.stringMatching(/other-one.*known-one/),
    });
    expect(() => getProvider(providers, 'other-one')).toThrow(unknown);
  });

  it('refuses a credential that its provider cannot use, naming the field and no value', () => {
    const credentials = [{ ...SIM, cloudCredRefId: 'a', apiUrl: 'planted-not-a-url' }];
    expect(() => createProviders({ credentials })).toThrow(/credential a: apiUrl (?!.*planted)/);
    expect(() => createProviders({ credentials: [{ ...SIM, cloudCredRefId: 'a', provider: 'acme' }] })).toThrow(
      /acme.*sim/,
    );
  });

  it('makes every secret known to the redactor, also of credentials that no file held', () => {
    createProviders({ credentials: [{ ...SIM, cloudCredRefId: 'a' }] });
    expect(redact('planted-registry-key')).toBe('[redacted]');
  });

  it('has each provider once, with the fields that are secret', () => {
    expect(new Set(ADAPTERS.map(({ id }) => id)).size).toBe(ADAPTERS.length);
    // netns has no account: whoever runs the worker is root already.
    const without = ADAPTERS.filter(({ secretFields }) => secretFields.length === 0).map(({ id }) => id);
    expect(without).toEqual(['netns']);
  });
});
