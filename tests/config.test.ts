import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Config, ConfigError, loadConfig } from '../src/config.js';
import { redact } from '../src/logging.js';
import { makeSshKeyPair } from '../src/ssh-key-pair.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-config-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Writes a file into the test's folder. @returns its path. */
function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const SIM = {
  cloudCredRefId: 'sim-main',
  provider: 'sim',
  apiUrl: 'http://127.0.0.1:4100/sim/v1',
  apiKey: 'sim-key-1',
};
const KEYS = makeSshKeyPair('ed25519', 'ann@host');
const PEM = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 }).private;

function load(credentials: unknown, env: Record<string, string> = {}): Config {
  return loadConfig({ SLIPWAY_CREDENTIALS: file('credentials.json', credentials), ...env });
}

function issuesOf(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.issues.map((issue) => issue.replaceAll(`${folder}/`, ''));
    throw error;
  }
  throw new Error('the configuration was accepted');
}

const BASTION = {
  host: 'jump.example.com',
  user: 'ops',
  hostKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMmPLRsTsGbJ3VXzFnTT2Y4g0X6b6xXWz0wOQp0b1kzL',
};

describe('the settings', () => {
  it('have defaults, but for the credentials', () => {
    expect(load([SIM])).toMatchObject({ sshKeys: {}, taskQueue: 'slipway', logLevel: 'info', strays: 'report' });
    expect(issuesOf(() => loadConfig({}))).toEqual([expect.stringMatching(/^SLIPWAY_CREDENTIALS: is not set/)]);
  });

  it('are read from the environment', () => {
    const env = { SLIPWAY_TASK_QUEUE: 'other', SLIPWAY_LOG_LEVEL: 'debug', SLIPWAY_STRAYS: 'terminate' };
    expect(load([SIM], env)).toMatchObject({ taskQueue: 'other', logLevel: 'debug', strays: 'terminate' });
  });

  it('say where the worker answers whether it works: nowhere unless asked, and nowhere by mistake', () => {
    expect(load([SIM]).healthAddress).toBeUndefined();
    const at = (text: string) => load([SIM], { SLIPWAY_HEALTH_ADDRESS: text });
    expect(at('0.0.0.0:8090').healthAddress).toEqual({ host: '0.0.0.0', port: 8090 });
    expect(issuesOf(() => at('everywhere'))).toEqual([expect.stringMatching(/^SLIPWAY_HEALTH_ADDRESS: /)]);
  });

  it('that are set and empty count as not set', () => {
    const env = { SLIPWAY_TASK_QUEUE: '', SLIPWAY_LOG_LEVEL: ' ', SLIPWAY_STRAYS: '', SLIPWAY_SSH_KEYS: '' };
    expect(load([SIM], env)).toMatchObject({ taskQueue: 'slipway', logLevel: 'info', strays: 'report' });
  });

  it('report everything that is wrong at once', () => {
    const env = {
      SLIPWAY_CREDENTIALS: join(folder, 'nowhere.json'),
      SLIPWAY_LOG_LEVEL: 'loud',
      SLIPWAY_STRAYS: 'shoot',
    };
    expect(issuesOf(() => loadConfig(env))).toEqual([
      expect.stringMatching(/^nowhere\.json: cannot be read \(ENOENT\)/),
      expect.stringMatching(/^SLIPWAY_LOG_LEVEL: /),
      expect.stringMatching(/^SLIPWAY_STRAYS: /),
    ]);
  });
});

describe('the journal', () => {
  const at = (url: string) => load([SIM], { SLIPWAY_JOURNAL_URL: url }).journalUrl;

  it.each(['sqlite:/var/lib/slipway/journal.db', 'journal.db', 'postgres://slipway@db.internal/journal'])(
    'may be at %s',
    (url) => expect(at(url)).toBe(url),
  );

  it.each(['mysql://db/journal', 'postgres://[', 'https://db/journal'])('is refused at %s, by the name', (url) => {
    expect(issuesOf(() => at(url))).toEqual([expect.stringMatching(/^SLIPWAY_JOURNAL_URL: must be sqlite:/)]);
  });

  it('shows its address to nobody, and its password is a secret', () => {
    const config = load([SIM], { SLIPWAY_JOURNAL_URL: 'postgres://slipway:hunter-22%21@db/journal' });
    expect(`${JSON.stringify(config)} ${inspect(config)}`).not.toContain('hunter-22');
    expect(redact('connect as hunter-22! failed')).toBe('connect as [redacted] failed');
  });
});

describe('the credentials', () => {
  it('take values from the environment, and from files next to them', () => {
    file('key.txt', 'sim-key-from-file\n');
    const config = load(
      [
        { ...SIM, apiKey: { env: 'SIM_API_KEY' } },
        { ...SIM, cloudCredRefId: 'sim-other', apiKey: { file: 'key.txt' } },
      ],
      { SIM_API_KEY: 'sim-key-from-env' },
    );
    expect(config.credentials.map(({ apiKey }) => apiKey)).toEqual(['sim-key-from-env', 'sim-key-from-file']);
  });

  it('name file, index and field of what cannot be resolved', () => {
    const second = { ...SIM, cloudCredRefId: 'sim-other' };
    const credentials = [
      SIM,
      { ...second, apiKey: { env: 'LAMBDA_API_KEY' } },
      { ...second, cloudCredRefId: 'sim-third', apiKey: { file: 'nowhere.txt' } },
    ];
    expect(issuesOf(() => load(credentials))).toEqual([
      'credentials.json [1].apiKey: environment variable LAMBDA_API_KEY is not set',
      'credentials.json [2].apiKey: file nowhere.txt cannot be read (ENOENT)',
    ]);
  });

  it('are refused when two have one cloudCredRefId', () => {
    expect(issuesOf(() => load([SIM, SIM]))).toEqual(['credentials.json [1].cloudCredRefId: sim-main is taken by [0]']);
  });

  it('are refused for a provider that nobody knows, listing those known', () => {
    expect(issuesOf(() => load([{ ...SIM, provider: 'acme' }]))).toEqual([
      expect.stringMatching(/^credentials\.json \[0\]\.provider: unknown provider "acme"; known are .*\bsim\b/),
    ]);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['a missing field', { apiKey: undefined }, /^credentials\.json \[0\]\.apiKey: is missing$/],
    ['a misspelt field', { apikey: 'x' }, /^credentials\.json \[0\]\.apikey: is not a field of this provider$/],
    ['a number for a key', { apiKey: 7 }, /^credentials\.json \[0\]\.apiKey: must be a string$/],
    ['a key with a line break', { apiKey: 'first\nsecond' }, /^credentials\.json \[0\]\.apiKey: must be printable/],
    ['a key too short to be found in a log', { apiKey: 'abc' }, /^credentials\.json \[0\]\.apiKey: .*at least/],
    ['an address of another protocol', { apiUrl: 'ftp://x/y' }, /^credentials\.json \[0\]\.apiUrl: .*http/],
    ['an address with a password', { apiUrl: 'http://ann:pw@x/y' }, /^credentials\.json \[0\]\.apiUrl: .*password/],
    ['an odd cloudCredRefId', { cloudCredRefId: 'a b' }, /^credentials\.json \[0\]\.cloudCredRefId: must be letters/],
    ['a rate of nothing', { requestsPerSecond: 0 }, /^credentials\.json \[0\]\.requestsPerSecond: /],
    [
      'a bastion without a host',
      { bastion: { ...BASTION, host: undefined } },
      /^credentials\.json \[0\]\.bastion\.host: is missing$/,
    ],
    [
      'a bastion nobody could tell from another',
      { bastion: { ...BASTION, hostKey: undefined } },
      /\[0\]\.bastion\.hostKey: is missing$/,
    ],
    [
      'a bastion’s key of two lines',
      { bastion: { ...BASTION, hostKey: `${BASTION.hostKey}\nx` } },
      /\[0\]\.bastion\.hostKey: must be one line/,
    ],
    ['a bastion’s port that is none', { bastion: { ...BASTION, port: 70_000 } }, /\[0\]\.bastion\.port: /],
    ['a bastion’s misspelt field', { bastion: { ...BASTION, prot: 22 } }, /\[0\]\.bastion\.prot: is not a field/],
    [
      'a bastion’s address that is none',
      { bastion: { ...BASTION, host: 'a b' } },
      /\[0\]\.bastion\.host: must be an address/,
    ],
    ['a capability that is none', { without: ['flying'] }, /^credentials\.json \[0\]\.without\.0: /],
  ])('are refused for %s, naming it', (_what, change, issue) => {
    expect(issuesOf(() => load([{ ...SIM, ...change }]))).toEqual([expect.stringMatching(issue)]);
  });

  it.each([
    ['no JSON', '[{"apiKey": "planted-in-broken-json', 'credentials.json: is not valid JSON'],
    ['no array', { sim: SIM }, 'credentials.json: must be an array with at least one credential'],
    ['an empty array', [], 'credentials.json: must be an array with at least one credential'],
    ['no object inside', ['sim-main'], 'credentials.json [0]: must be an object'],
  ])('are refused when the file holds %s', (_what, content, issue) => {
    expect(issuesOf(() => load(content))).toEqual([issue]);
  });
});

describe('the bastion of a credential', () => {
  it('goes with the credential, whatever its provider', () => {
    const [credential] = load([{ ...SIM, bastion: BASTION }]).credentials;
    expect(credential?.bastion).toMatchObject({ host: 'jump.example.com', user: 'ops' });
  });

  it('takes a key that the worker has', () => {
    const refused = issuesOf(() => load([{ ...SIM, bastion: { ...BASTION, sshKeyRef: 'jump' } }]));
    expect(refused).toEqual(['credential sim-main .bastion.sshKeyRef: this worker has no SSH key named jump']);
  });
});

describe('the SSH keys', () => {
  it('are files next to their list, or environment variables with or without line breaks', () => {
    file('id_ed25519', KEYS.privateKey);
    file('pem', PEM);
    const list = {
      bare: 'id_ed25519',
      file: { file: 'pem' },
      env: { env: 'KEY' },
      escaped: { env: 'ESCAPED' },
    };
    const env = { KEY: KEYS.privateKey, ESCAPED: KEYS.privateKey.trim().replaceAll('\n', '\\n') };
    const { sshKeys } = load([SIM], { SLIPWAY_SSH_KEYS: file('keys.json', list), ...env });
    const text = `${KEYS.privateKey.trim()}\n`;
    expect(sshKeys).toEqual({ bare: text, file: `${PEM.trim()}\n`, env: text, escaped: text });
    expect(Object.keys(sshKeys)).toEqual(['bare', 'file', 'env', 'escaped']);
  });

  it('are refused by name, in words that hold no part of them', () => {
    const locked = ssh2.utils.generateKeyPairSync('ecdsa', {
      bits: 256,
      passphrase: 'x',
      cipher: 'aes256-cbc',
      rounds: 4,
    }).private;
    file('locked', locked);
    file('public', KEYS.publicKey);
    file('garbage', 'planted-garbage');
    const list = {
      locked: 'locked',
      public: 'public',
      garbage: 'garbage',
      gone: 'gone',
      inline: KEYS.privateKey,
      number: 7,
      unset: { env: 'NO_SUCH_KEY' },
      'a b': 'locked',
    };
    const issues = issuesOf(() => load([SIM], { SLIPWAY_SSH_KEYS: file('keys.json', list) }));
    expect(issues).toEqual([
      'keys.json .locked: is protected by a passphrase, which nobody is there to type',
      'keys.json .public: is a public key: the private one is needed',
      'keys.json .garbage: is not a private key in OpenSSH or PEM form',
      'keys.json .gone: file gone cannot be read (ENOENT)',
      'keys.json .inline: holds the key itself: name its file instead, or an environment variable',
      'keys.json .number: must be a path, { "file": path } or { "env": name }',
      'keys.json .unset: environment variable NO_SUCH_KEY is not set',
      expect.stringMatching(/^keys\.json \.a b: the name must be letters/),
      'keys.json .a b: is protected by a passphrase, which nobody is there to type',
    ]);
  });
});

describe('secrets', () => {
  const secret = 'planted-config-secret-51';

  it('are shown by no way of printing the configuration', () => {
    file('id_ed25519', KEYS.privateKey);
    const keys = { SLIPWAY_SSH_KEYS: file('keys.json', { main: 'id_ed25519' }) };
    const config = load([{ ...SIM, apiKey: secret, pollIntervalMs: 50 }], keys);
    const prints = [JSON.stringify(config), inspect(config, { depth: 9 }), inspect(config.sshKeys), `${config}`];
    for (const print of prints) expect(print).not.toMatch(/planted|PRIVATE KEY/);
    expect(JSON.parse(JSON.stringify(config))).toMatchObject({
      credentials: [
        { cloudCredRefId: 'sim-main', provider: 'sim', apiUrl: SIM.apiUrl, apiKey: '[redacted]', pollIntervalMs: 50 },
      ],
      sshKeys: { main: '[redacted]' },
    });
    expect(config.credentials[0]?.apiKey).toBe(secret);
    expect(config.sshKeys.main).toContain('PRIVATE KEY');
  });

  it('are known to the redactor once they are loaded, even from a configuration that was refused', () => {
    expect(() => load([{ ...SIM, apiKey: 'planted-refused-62', apikey: 'x' }])).toThrow(ConfigError);
    expect(redact('with planted-refused-62 in it')).toBe('with [redacted] in it');
  });

  it('are in no issue', () => {
    const bad = {
      ...SIM,
      apiKey: `${secret}\n`,
      apiUrl: `http://${secret}@x`,
      cloudCredRefId: `${secret}!`,
      without: secret,
    };
    expect(issuesOf(() => load([bad])).join()).not.toContain(secret);
    expect(issuesOf(() => load(`[{"apiKey": "${secret}`)).join()).not.toContain(secret);
  });
});
