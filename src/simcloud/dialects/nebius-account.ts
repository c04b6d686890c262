import { createVerify, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { Cloud } from '../cloud.js';
import type { Account, AuthorizedKey } from '../types.js';

/** What an account has at Nebius besides machines. */
export interface Shelf {
  /** Of its service account: those made here. Others come with the account. */
  keys: AuthorizedKey[];
  /** Boot disks that belong to a machine, and disks that somebody made. By id. */
  disks: Record<string, ShelfDisk>;
  /** The latest, oldest first. */
  operations: ShelfOperation[];
  /** The operation that each idempotency key has made. */
  idempotent: Record<string, string>;
}

export interface ShelfDisk {
  id: string;
  projectId: string;
  name: string;
  labels: Record<string, string>;
  gibibytes: number;
  createdAt: number;
  /** The machine it comes and goes with. */
  managedBy?: string;
}

export interface ShelfOperation {
  id: string;
  resourceId: string;
  createdAt: number;
  /** While the machine is so, it is under way. Absent: it was over at once. */
  awaits?: 'pending' | 'stopping' | 'terminating';
  /** An encoded `google.rpc.Status`, base64: how it ended. */
  status?: string;
}

const MOST_OPERATIONS = 1_000;

export function shelfOf(cloud: Cloud, account: Account): Shelf {
  return cloud.shelfOf('nebius', account, () => ({ keys: [], disks: {}, operations: [], idempotent: {} }));
}

export function addOperation(
  cloud: Cloud,
  account: Account,
  operation: Omit<ShelfOperation, 'id' | 'createdAt'> & { createdAt?: number },
): ShelfOperation {
  const shelf = shelfOf(cloud, account);
  const added = { createdAt: cloud.parts.clock.now(), ...operation, id: newId('computeoperation') };
  shelf.operations.push(added);
  for (const { id } of shelf.operations.splice(0, shelf.operations.length - MOST_OPERATIONS)) {
    for (const [key, made] of Object.entries(shelf.idempotent)) if (made === id) delete shelf.idempotent[key];
  }
  cloud.parts.changed();
  return added;
}

/** As the vendor's ids look: `computeinstance-e00…`. */
export function newId(kind: string): string {
  return `${kind}-e00${randomBytes(9).toString('hex').slice(0, 17)}`;
}

/**
 * A new key pair for the account's service account, as a person gets it from the vendor's console. We keep the public half.
 * @returns the key file.
 */
export function makeServiceAccountKey(cloud: Cloud, account: Account): object {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const [kid, serviceAccountId] = [newId('publickey'), `serviceaccount-e00${account.name}`];
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  shelfOf(cloud, account).keys.push({ kid, serviceAccountId, publicKey: pem });
  cloud.parts.changed();
  const secret = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const credentials = {
    type: 'JWT',
    alg: 'RS256',
    'private-key': secret,
    kid,
    iss: serviceAccountId,
    sub: serviceAccountId,
  };
  return { 'subject-credentials': credentials };
}

const TOKEN_SECONDS = 12 * 3_600;

/** A public half that somebody has made himself, as the vendor takes it; its id is his to choose here. */
export function addAuthorizedKey(cloud: Cloud, account: Account, key: AuthorizedKey): object {
  const { keys } = shelfOf(cloud, account);
  if (!keys.some(({ kid }) => kid === key.kid)) keys.push(key);
  cloud.parts.changed();
  return { kid: key.kid };
}

/** Access tokens, good for hours by the simulated clock; a restart forgets them, and callers get new ones. */
export class Tokens {
  readonly #tokens = new Map<string, { apiKey: string; until: number }>();

  constructor(private readonly cloud: Cloud) {}

  issue(account: Account): { access_token: string; token_type: string; expires_in: number } {
    const text = `ne1sim.${randomBytes(24).toString('base64url')}`;
    this.#tokens.set(text, { apiKey: account.apiKey, until: this.cloud.parts.clock.now() + TOKEN_SECONDS * 1_000 });
    return { access_token: text, token_type: 'Bearer', expires_in: TOKEN_SECONDS };
  }

  /** The key of the account behind `Bearer <token>`; undefined for one that we do not know, or know no more. */
  apiKeyOf(authorization: string | undefined): string | undefined {
    const known = this.#tokens.get(/^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? '');
    return known && this.cloud.parts.clock.now() < known.until ? known.apiKey : undefined;
  }

  /** Whose statement it is: signed by a key that an account knows, for its own service account, and not too old. */
  apiKeyOfJwt(jwt: string): string | undefined {
    const [head = '', body = '', signature = ''] = jwt.split('.');
    const { kid, alg } = readPart(head);
    const { iss, sub, exp } = readPart(body);
    const { accounts } = this.cloud.parts;
    for (const account of accounts) {
      const keys = [...(account.authorizedKeys ?? []), ...shelfOf(this.cloud, account).keys];
      const key = keys.find((one) => one.kid === kid && one.serviceAccountId === iss && iss === sub);
      if (!key || alg !== 'RS256') continue;
      const isSigned = createVerify('RSA-SHA256')
        .update(`${head}.${body}`)
        .verify(key.publicKey, signature, 'base64url');
      // Real time: whoever signs does not know the simulated clock.
      if (isSigned && typeof exp === 'number' && exp * 1_000 > Date.now()) return account.apiKey;
    }
    return undefined;
  }
}

function readPart(text: string): Record<string, unknown> {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    return {};
  }
}
