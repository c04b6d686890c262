import type { CredentialConfig } from '../../src/adapters/credential.js';
import type { Provider } from '../../src/domain/provider.js';
import { openProvider } from './clouds.js';
import type { WireTruth } from './wire-truth.js';

/** One answer as it comes over the wire. */
export interface Canned {
  status: number;
  /** A string is sent as it is, anything else as JSON. */
  body: unknown;
  headers?: Record<string, string>;
}

export interface SentCall {
  /** `POST /ssh-keys`, below the API's address. */
  call: string;
  body: unknown;
}

export const json = (status: number, body: unknown, headers?: Record<string, string>): Canned => ({
  status,
  body,
  headers,
});

/** A provider whose vendor answers each call by its name; a list is answered in turn, its last answer for good. */
export function scripted(
  credential: CredentialConfig,
  answers: Record<string, Canned | Canned[]>,
  wire?: WireTruth,
): { provider: Provider; sent: SentCall[]; calls(): string[] } {
  const sent: SentCall[] = [];
  const counts = new Map<string, number>();
  const { pathname: base } = new URL(String(credential.apiUrl));
  const fetchInstead: typeof fetch = async (url, init) => {
    const { pathname, search } = new URL(String(url));
    const call = `${init?.method ?? 'GET'} ${pathname.slice(base.length)}${search}`;
    const text = typeof init?.body === 'string' ? init.body : undefined;
    sent.push({ call, body: text === undefined ? undefined : JSON.parse(text) });
    const row = [answers[call] ?? []].flat();
    const nth = counts.get(call) ?? 0;
    counts.set(call, nth + 1);
    const answer = row[Math.min(nth, row.length - 1)];
    if (!answer) throw new Error(`no answer was given for ${call}`);
    const body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
    return new Response(answer.status === 204 ? null : body, { status: answer.status, headers: answer.headers });
  };
  return {
    provider: openProvider(credential, wire ? wire.over(fetchInstead) : fetchInstead),
    sent,
    calls: () => sent.map(({ call }) => call),
  };
}
