import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** Signature Version 4, from its specification and not from the SDK: what we check must not be what we check with. */

export interface SignedRequest {
  method: string;
  /** Without the query, as it was sent. */
  path: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
}

export interface Signature {
  accessKeyId: string;
  date: string;
  region: string;
  service: string;
  signedHeaders: string[];
  signature: string;
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([\w-]+)\/(\w+)\/aws4_request, ?SignedHeaders=([\w;-]+), ?Signature=([0-9a-f]{64})$/;

/** What the header claims; undefined when there is none, or it is of another kind. */
export function readSignature(authorization: string | undefined): Signature | undefined {
  const [, accessKeyId = '', date = '', region = '', service = '', headers = '', signature = ''] =
    AUTHORIZATION.exec(authorization ?? '') ?? [];
  if (signature === '') return undefined;
  return { accessKeyId, date, region, service, signedHeaders: headers.split(';'), signature };
}

/** Whether this secret made it, for this very request. */
export function isSignedWith(secret: string, claim: Signature, request: SignedRequest): boolean {
  if (!claim.signedHeaders.includes('host') || !claim.signedHeaders.includes('x-amz-date')) return false;
  const scope = `${claim.date}/${claim.region}/${claim.service}/aws4_request`;
  const stamp = textOf(request.headers['x-amz-date']);
  const toSign = ['AWS4-HMAC-SHA256', stamp, scope, sha256(canonical(request, claim.signedHeaders))].join('\n');
  const key = [claim.date, claim.region, claim.service, 'aws4_request'].reduce<Buffer>(
    (last, part) => hmac(last, part),
    Buffer.from(`AWS4${secret}`),
  );
  return timingSafeEqual(hmac(key, toSign), Buffer.from(claim.signature, 'hex'));
}

function canonical({ method, path, headers, body }: SignedRequest, signed: readonly string[]): string {
  const lines = signed.map((name) => `${name}:${textOf(headers[name]).trim().replace(/ +/g, ' ')}\n`);
  return [method, path, '', lines.join(''), signed.join(';'), sha256(body)].join('\n');
}

function textOf(header: string | string[] | undefined): string {
  return Array.isArray(header) ? header.join(',') : (header ?? '');
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
