import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readWebhooks } from '../../src/journal/index.js';
import { redact } from '../../src/redact.js';
import { SECRET } from './support/receiver.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-webhooks-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function read(entries: unknown, env: Record<string, string> = {}) {
  const file = join(folder, 'webhooks.json');
  await writeFile(file, JSON.stringify(entries));
  const issues: string[] = [];
  const endpoints = readWebhooks({ SLIPWAY_WEBHOOKS: file, ...env }, (where, message) =>
    issues.push(`${where.replace(`${file} `, '')}: ${message}`),
  );
  return { endpoints, issues };
}

const entry = { id: 'main', url: 'https://hooks.example/', secret: { env: 'HOOK_SECRET' } };

it('reads endpoints with secrets from the environment and from files, and tells the logger of them', async () => {
  await writeFile(join(folder, 'old'), `${SECRET}\n`);
  const both = [{ env: 'HOOK_SECRET' }, { file: 'old' }];
  const { endpoints, issues } = await read([{ ...entry, secret: both, types: ['InstanceReady'], from: 'start' }], {
    HOOK_SECRET: SECRET,
  });
  expect(issues).toEqual([]);
  expect(endpoints).toEqual([
    { id: 'main', url: 'https://hooks.example/', secrets: [SECRET, SECRET], types: ['InstanceReady'], from: 'start' },
  ]);
  expect(redact(`it is ${SECRET}`)).not.toContain(SECRET);
});

it('has none when the variable is not set', () => {
  expect(readWebhooks({}, () => expect.unreachable())).toEqual([]);
});

it.each<[string, unknown, string[]]>([
  ['no list', {}, ['must be an array of { id, url, secret }']],
  ['a variable that is not set', [entry], ['[0].secret: environment variable HOOK_SECRET is not set']],
  [
    'a misspelt type',
    [{ ...entry, secret: SECRET, types: ['InstanceRedy'] }],
    ['[0].types: must list types of events'],
  ],
  ['a list of no types', [{ ...entry, secret: SECRET, types: [] }], ['[0].types: must list types of events']],
  [
    'a switch that is a word',
    [{ ...entry, secret: SECRET, allowHttp: 'true' }],
    ['[0].allowHttp: must be true or false'],
  ],
  [
    'everything at once',
    [{ id: '-', url: 'ftp://hooks.example', secret: { env: 'HOOK_SECRET' }, retries: 3, from: 'here' }],
    [
      '[0].retries: is not a field of a webhook',
      '[0].secret: environment variable HOOK_SECRET is not set',
      '[0].id: must be 1 to 63 letters, digits, ".", "_" and "-"',
      '[0].url: must be https, or http to this machine',
      '[0].from: must be "now" or "start"',
    ],
  ],
  ['an unknown field', [{ ...entry, secret: SECRET, retries: 3 }], ['[0].retries: is not a field of a webhook']],
  [
    'an id twice',
    [
      { ...entry, secret: SECRET },
      { ...entry, secret: SECRET },
    ],
    ['the id main is there twice'],
  ],
  [
    'a bad secret',
    [{ ...entry, secret: 'planted-secret' }],
    ['[0].secret: must be whsec_ and the base64 of 24 to 64 bytes'],
  ],
])('reports %s', async (_name, entries, expected) => {
  const { issues } = await read(entries);
  expect(issues.map((issue) => issue.replace(/^.*webhooks\.json: /, ''))).toEqual(expected);
});
