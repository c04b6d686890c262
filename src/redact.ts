/*
 * The one place that knows what must not be shown. Config and adapters register every secret value here before they
 * use it; the logger and whoever builds an error message pass their text through `redact`.
 *
 * Values are known for the life of the process and never forgotten: a rotated key is still a secret.
 */

export const REDACTED = '[redacted]';

/** A shorter value would be found inside ordinary words and tear the logs to pieces; config refuses such secrets. */
export const MIN_SECRET_LENGTH = 6;

const known = new Set<string>();
let pattern: RegExp | undefined;

/** From now on these are replaced wherever `redact` looks, also URL-encoded, base64-encoded or escaped for JSON. */
export function registerSecrets(values: Iterable<string>): void {
  for (const value of values) {
    for (const form of formsOf(value)) known.add(form);
  }
  const longestFirst = [...known].sort((a, b) => b.length - a.length);
  pattern = longestFirst.length > 0 ? new RegExp(longestFirst.map(escapeRegExp).join('|'), 'g') : undefined;
}

/** The text without known secrets, private keys and credentials of an Authorization header. */
export function redact(text: string): string {
  const withoutKnown = pattern ? text.replace(pattern, REDACTED) : text;
  return withoutKnown.replace(PRIVATE_KEY, REDACTED).replace(AUTHORIZATION, `$1 ${REDACTED}`);
}

/** A plain JSON value with every string redacted, and whatever stands under a secret's name. Copies; never changes. */
export function redactFields(value: unknown): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map(redactFields);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [redact(name), isShown(name, field) ? redactFields(field) : REDACTED]),
  );
}

/** Ends at the text's end too: an excerpt may have been cut in the middle of a key. */
const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g;
/** With a digit in it: "Basic authentication" may be said. */
const AUTHORIZATION = /\b(Bearer|Basic)\s+(?=\S*\d)[\w.~+/=-]{8,}/gi;

/** Not `publicKey`, `pageToken`, `clientToken`, `attemptKey`: those are what one looks for in a log. */
const SECRET_NAME =
  /^(?:(?:x-)?api[-_]?key|authorization|cookie|set-cookie|password|passphrase|ssh[-_]?keys|user[-_]?data(?:[-_]?base64)?|(?:access|refresh|bearer|session|auth|id)?[-_]?token|.*(?:private[-_]?key|secret)|(?:.*[-_])?secret[-_]?(?:access[-_]?)?key)$/i;

/** `userData` as an object is the digest that events keep; as text it is the script itself. */
function isShown(name: string, field: unknown): boolean {
  if (field === undefined || field === null || typeof field === 'boolean' || typeof field === 'number') return true;
  if (/^user[-_]?data$/i.test(name) && typeof field === 'object') return true;
  return !SECRET_NAME.test(name);
}

function formsOf(value: string): string[] {
  const whole = [value, value.trim()];
  // A key that was cut out of its armour is still a key. Shorter lines are the armour itself.
  const lines = value.includes('\n') ? value.split('\n').filter((line) => line.length >= 40) : [];
  const forms = [...whole, ...lines].flatMap((text) => [
    text,
    JSON.stringify(text).slice(1, -1),
    encodeURIComponent(text),
    base64Of(text),
    base64Of(`${text}:`), // Basic authentication with the key for a user name
  ]);
  return forms.filter((form) => form.length >= MIN_SECRET_LENGTH);
}

/** Without the last group, whose letters depend on what follows. */
function base64Of(text: string): string {
  const bytes = Buffer.from(text);
  return bytes.subarray(0, bytes.length - (bytes.length % 3)).toString('base64');
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
