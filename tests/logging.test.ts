import { describe, expect, it } from 'vitest';
import { createLogger, type Logger, type LogLevel, redact, registerSecrets } from '../src/logging.js';
import { redactFields } from '../src/redact.js';

const SECRET = 'planted/secret+31="quoted"';
registerSecrets([SECRET]);

function logged(
  use: (logger: Logger) => void,
  level: LogLevel = 'info',
): { text: string; lines: Record<string, unknown>[] } {
  let text = '';
  const destination = {
    write(line: string) {
      text += line;
    },
  };
  use(createLogger({ level, name: 'worker', destination }));
  const lines = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { text, lines };
}

describe('the logger', () => {
  it('writes a sentence, its fields, who speaks, the level as a word and the time in ISO', () => {
    const { lines } = logged((log) => log.warn({ refId: 'ref-1', attempt: 2 }, 'create refused'));
    expect(lines).toEqual([
      {
        level: 'warn',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        name: 'worker',
        refId: 'ref-1',
        attempt: 2,
        msg: 'create refused',
      },
    ]);
  });

  it('says nothing below its level', () => {
    expect(logged((log) => log.debug('quiet')).text).toBe('');
    expect(logged((log) => log.fatal('quiet'), 'silent').text).toBe('');
  });

  it('shows a known secret in no message, field, binding or error, however deep', () => {
    const error = new Error(`refused ${SECRET}`, { cause: new Error(`because of ${SECRET}`) });
    const { text, lines } = logged((log) => {
      log.info(`with ${SECRET}`);
      log.info({ deep: [{ er: SECRET }], [SECRET]: 1 }, 'fields');
      log.child({ bound: SECRET }).info('child');
      log.error(error);
      log.error({ err: error, extra: Object.assign(new Error('x'), { detail: SECRET }) }, 'errors');
    });
    expect(lines).toHaveLength(5);
    expect(text).not.toContain('planted');
    expect(text).toContain('refused [redacted]');
  });

  it.each([
    'apiKey',
    'api_key',
    'X-API-KEY',
    'authorization',
    'privateKey',
    'userDataBase64',
    'token',
    'refreshToken',
    'clientSecret',
    'password',
    'secretAccessKey',
  ])('shows no value under the name %s', (name) => {
    const { text } = logged((log) => log.info({ request: { [name]: 'never-registered' } }, 'fields'));
    expect(text).not.toContain('never-registered');
  });

  it.each(['publicKey', 'sshKeyRef', 'cloudCredRefId', 'attemptKey', 'clientToken', 'pageToken', 'refId', 'tokens'])(
    'shows what stands under the name %s',
    (name) => {
      const { lines } = logged((log) => log.info({ [name]: 'shown' }, 'fields'));
      expect(lines[0]).toMatchObject({ [name]: 'shown' });
    },
  );

  it('shows the digest of user data, and the script itself never', () => {
    const userData = { bytes: 12, digest: 'abc' };
    expect(redactFields({ userData })).toEqual({ userData });
    expect(redactFields({ userData: '#!/bin/sh' })).toEqual({ userData: '[redacted]' });
  });
});

describe('redact', () => {
  it.each([
    ['as it is', SECRET],
    ['URL-encoded', encodeURIComponent(SECRET)],
    ['escaped for JSON', JSON.stringify(SECRET)],
    ['in base64', Buffer.from(SECRET).toString('base64')],
    ['as the user of Basic authentication', Buffer.from(`${SECRET}:`).toString('base64')],
  ])('finds a secret %s', (_how, text) => {
    const base64 = Buffer.from(SECRET).toString('base64').slice(0, 16);
    expect(redact(`a ${text} b`)).not.toMatch(new RegExp(`planted|${base64}`));
  });

  it('removes private keys that nobody registered, whole or cut off', () => {
    const key = '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\nBBBB\n-----END OPENSSH PRIVATE KEY-----';
    expect(redact(`before ${key} after`)).toBe('before [redacted] after');
    expect(redact(`before ${key.slice(0, 45)}`)).toBe('before [redacted]');
  });

  it('finds a registered key line by line', () => {
    const line = 'bGluZS1vZi1hLWtleS10aGF0LWlzLWxvbmctZW5vdWdoLTEyMw';
    registerSecrets([`-----BEGIN X-----\n${line}\n-----END X-----\n`]);
    expect(redact(`cut ${line} out`)).toBe('cut [redacted] out');
  });

  it('removes what an Authorization header carries, and leaves prose alone', () => {
    expect(redact('Bearer abcdef123456 sent')).toBe('Bearer [redacted] sent');
    expect(redact('Basic authentication is off')).toBe('Basic authentication is off');
  });

  it('prefers the longer of two secrets that begin alike', () => {
    registerSecrets(['planted-short', 'planted-short-and-long']);
    expect(redact('planted-short-and-long planted-short')).toBe('[redacted] [redacted]');
  });

  it('ignores values too short to be told from words', () => {
    registerSecrets(['', 'a', 'the']);
    expect(redact('the cat')).toBe('the cat');
  });
});
