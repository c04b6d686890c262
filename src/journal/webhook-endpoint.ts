import { Webhook } from 'standardwebhooks';
import type { InstanceEventType } from '../domain/instance/index.js';
import { JournalInvalid } from './errors.js';

/**
 * Whom to tell, as an operator configured it. Nothing that a caller or a provider says ever becomes an address, and
 * redirects are not followed, so that an endpoint cannot send us on to a host inside.
 */
export interface WebhookEndpoint {
  /** Names its cursor and its dead letters: keep it when the address changes. */
  id: string;
  /** `https:`; `http:` only to this very machine, unless `allowHttp`. Without user and password. */
  url: string;
  /** `whsec_…`, base64 of 24 to 64 bytes. While a secret is changed, both: each signs. */
  secrets: readonly string[];
  /** Only these events; default: all. */
  types?: readonly InstanceEventType[];
  /** Where a new endpoint begins: with what happens from now on (default), or with the journal's first event. */
  from?: 'now' | 'start';
  /** For a network that is trusted as a whole. */
  allowHttp?: boolean;
}

/** Everything that is wrong with an endpoint, as `field: what it should be`; never a secret's value. */
export function endpointIssues({ id, url, secrets, from, allowHttp }: WebhookEndpoint): string[] {
  const issues: string[] = [];
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(id))
    issues.push('id: must be 1 to 63 letters, digits, ".", "_" and "-"');
  const issue = urlIssue(url, allowHttp === true);
  if (issue) issues.push(`url: ${issue}`);
  if (secrets.length === 0) issues.push('secrets: must hold at least one');
  if (!secrets.every(isSecret)) issues.push('secrets: must be whsec_ and the base64 of 24 to 64 bytes');
  if (from !== undefined && from !== 'now' && from !== 'start') issues.push('from: must be "now" or "start"');
  return issues;
}

/** @throws {JournalInvalid} naming every issue of every endpoint. */
export function checkEndpoints(endpoints: readonly WebhookEndpoint[]): void {
  const issues = endpoints.flatMap((endpoint, index) => [
    ...endpointIssues(endpoint).map((issue) => `webhooks[${index}].${issue}`),
    ...(endpoints.findIndex(({ id }) => id === endpoint.id) < index ? [`webhooks[${index}].id: is taken`] : []),
  ]);
  if (issues.length > 0) throw new JournalInvalid(`Webhooks: ${issues.join('; ')}`);
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

function urlIssue(text: string, allowHttp: boolean): string | undefined {
  if (!URL.canParse(text)) return 'must be a URL';
  const { protocol, hostname, username, password } = new URL(text);
  if (username || password) return 'must not carry a user or a password';
  if (protocol === 'https:') return undefined;
  if (protocol === 'http:' && (allowHttp || LOOPBACK.test(hostname))) return undefined;
  return 'must be https, or http to this machine';
}

const PREFIX = 'whsec_';

function isSecret(secret: string): boolean {
  const encoded = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : '';
  const bytes = Buffer.from(encoded, 'base64');
  return bytes.length >= 24 && bytes.length <= 64 && bytes.toString('base64') === encoded;
}

/** The headers of Standard Webhooks 1.0. @see https://github.com/standard-webhooks/standard-webhooks */
export function signedHeaders(
  { secrets }: Pick<WebhookEndpoint, 'secrets'>,
  message: { id: string; at: Date; body: string },
): Record<string, string> {
  const { id, at, body } = message;
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, at, body)).join(' '),
  };
}
