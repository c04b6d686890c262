import ssh2 from 'ssh2';
import { isCloudCredRefId } from '../domain/ids.js';
import { registerSecrets } from '../redact.js';
import { type Env, follow, isFields, type Report, readJson, type Source, toReference } from './source.js';

const VARIABLE = 'SLIPWAY_SSH_KEYS';

/** The private keys that prove SSH, by name: `{ "control-plane": "id_ed25519" }`, a path or a reference. */
export function readSshKeys(env: Env, report: Report): Record<string, string> {
  const file = env[VARIABLE]?.trim();
  if (!file) return {};
  const source: Source = { env, file, report };
  const entries = readJson(source);
  if (entries === undefined) return {};
  if (!isFields(entries)) {
    report(file, 'must be an object: the names of keys, and where each is found');
    return {};
  }
  const keys = Object.entries(entries).flatMap(([name, value]) => {
    const text = readKey(name, value, source);
    return text === undefined ? [] : [[name, text] as const];
  });
  registerSecrets(keys.map(([, text]) => text));
  return Object.fromEntries(keys);
}

function readKey(name: string, value: unknown, source: Source): string | undefined {
  const where = `${source.file} .${name}`;
  // The rule that requests hold `sshKeyRef` to: any other name could not be asked for.
  if (!isCloudCredRefId(name)) source.report(where, 'the name must be letters, digits, ".", "_" and "-", at most 63');
  const reference = typeof value === 'string' ? { file: value } : toReference(value);
  if (typeof value === 'string' && value.includes('PRIVATE KEY')) {
    source.report(where, 'holds the key itself: name its file instead, or an environment variable');
    return undefined;
  }
  if (!reference) {
    source.report(where, 'must be a path, { "file": path } or { "env": name }');
    return undefined;
  }
  const found = follow(reference, where, source);
  if (found === undefined) return undefined;
  // Many ways to set a variable know no line breaks; and OpenSSH's own reader wants one at the end.
  const text = `${found.includes('\n') ? found : found.replaceAll('\\n', '\n')}\n`;
  registerSecrets([text]);
  const why = whyUnusable(text);
  if (why) source.report(where, why);
  return text;
}

/** In our own words: a parser's message could quote the key. */
function whyUnusable(text: string): string | undefined {
  const parsed: unknown = ssh2.utils.parseKey(text);
  if (parsed instanceof Error) {
    return /encrypted/i.test(parsed.message)
      ? 'is protected by a passphrase, which nobody is there to type'
      : 'is not a private key in OpenSSH or PEM form';
  }
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  return key?.isPrivateKey() ? undefined : 'is a public key: the private one is needed';
}
