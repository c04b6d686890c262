import { createPrivateKey, createSign, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { registerSecrets } from '../../redact.js';
import type { Channels, Rpc } from './channels.js';

/*
 * Nebius knows a service account by a key pair. We sign a short-lived statement (a JWT) and get a token for it, which is
 * good for hours. All calls of a credential share it; it is exchanged again shortly before its end, and once when Nebius
 * refuses it.
 */

export const EXCHANGE: Rpc = {
  host: 'tokens.iam',
  method: 'nebius.iam.v1.TokenExchangeService/Exchange',
  request: 'nebius.iam.v1.ExchangeTokenRequest',
  reply: 'nebius.iam.v1.CreateTokenResponse',
};

/** What a person downloads at Nebius, as its tools write it. */
const keyFile = z.object({
  'subject-credentials': z.object({
    alg: z.literal('RS256').optional(),
    'private-key': z.string().min(1),
    kid: z.string().min(1),
    iss: z.string().min(1),
    sub: z.string().min(1),
  }),
});

export interface ServiceAccountKey {
  privateKey: KeyObject;
  kid: string;
  iss: string;
  sub: string;
}

/** @throws {TypeError} naming what is wrong, without a word of the key. */
export function readServiceAccountKey(text: string): ServiceAccountKey {
  const { success, data } = keyFile.safeParse(parseJson(text));
  if (!success) {
    throw new TypeError(
      'must be the JSON of a service account key: subject-credentials with private-key, kid, iss, sub',
    );
  }
  const { 'private-key': pem, kid, iss, sub } = data['subject-credentials'];
  registerSecrets([pem]);
  try {
    const privateKey = createPrivateKey(pem);
    if (privateKey.asymmetricKeyType === 'rsa') return { privateKey, kid, iss, sub };
  } catch {
    // Said below: an error of the parser may quote the key.
  }
  throw new TypeError('holds a private-key that is no RSA key in PEM form');
}

const token = z.object({ access_token: z.string().min(1), expires_in: z.number().default(0) });

const JWT_SECONDS = 300;
/** A token is renewed this long before its end, or at half its life if that is sooner, in ms. */
const EARLY_MS = 120_000;

interface Token {
  text: string;
  renewAt: number;
}

export class TokenSource {
  readonly #channels: Channels;
  readonly #key: ServiceAccountKey;
  #token: Token | undefined;
  #exchanging: Promise<Token> | undefined;

  constructor(channels: Channels, key: ServiceAccountKey) {
    this.#channels = channels;
    this.#key = key;
  }

  /**
   * @param refused The token that Nebius did not take: whoever meets that first renews it for all.
   * @throws {GrpcFailure}
   */
  async get(refused?: string): Promise<string> {
    const known = this.#token;
    if (known && known.text !== refused && Date.now() < known.renewAt) return known.text;
    this.#exchanging ??= this.#exchange().finally(() => {
      this.#exchanging = undefined;
    });
    this.#token = await this.#exchanging;
    return this.#token.text;
  }

  /** Nobody's own call, so nobody's signal ends it: others wait for the same token. */
  async #exchange(): Promise<Token> {
    const signal = new AbortController().signal;
    const message = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token: signJwt(this.#key, Date.now()),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    };
    const { value } = await this.#channels.call({ rpc: EXCHANGE, message, reply: token }, signal);
    registerSecrets([value.access_token]);
    const lifeMs = value.expires_in * 1_000;
    return { text: value.access_token, renewAt: Date.now() + Math.max(lifeMs - EARLY_MS, lifeMs / 2) };
  }
}

/** @param now Epoch ms. */
export function signJwt({ privateKey, kid, iss, sub }: ServiceAccountKey, now: number): string {
  const iat = Math.floor(now / 1_000);
  const parts = [
    { alg: 'RS256', typ: 'JWT', kid },
    { iss, sub, iat, exp: iat + JWT_SECONDS },
  ];
  const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(privateKey, 'base64url')}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
