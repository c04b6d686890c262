/** Where SSH is expected to answer, and with which key. */
export interface SshTarget {
  /** IPv4, IPv6 (without brackets) or a DNS name. */
  host: string;
  port: number;
  user: string;
  /** Text of an unencrypted private key: OpenSSH, PEM or PPK. Never in an error, an event or a log. */
  privateKey: string;
  /** `ssh-ed25519 AAAA…`; absent at first contact. */
  pinnedHostKey?: string;
  /** The bastion that lets us through to it: the host, and the address of a name, are then as the bastion sees them. */
  via?: Bastion;
}

/** A host that stands between us and machines. It is ours: its host key is known beforehand. */
export type Bastion = Omit<SshTarget, 'via' | 'pinnedHostKey'> & { pinnedHostKey: string };

/**
 * Why SSH does not work, told apart by what to do about it.
 *
 * - `unresolved`: the name has no address
 * - `refused`: the machine answers, and nothing listens on the port
 * - `silent`: nothing accepts the connection, or what accepts it does not speak SSH; the evidence says which
 * - `reset`: the connection was cut; the evidence says how far it had come
 * - `wrong-host-key`: somebody else is at this address. Nothing was sent to them but the key exchange
 * - `key-rejected`: the machine does not take our key for this user
 * - `command-failed`: we are in, and a command says no
 * - `timeout`: it speaks SSH, too slowly
 * - `worker`: this worker cannot dial: no descriptor, no local port, no route, not allowed. Of the machine nothing is known
 * - `bastion`: the bastion does not let us in, or not through; of the machine nothing is known. The evidence says why
 */
export type SshFailure =
  | 'refused'
  | 'silent'
  | 'reset'
  | 'unresolved'
  | 'wrong-host-key'
  | 'key-rejected'
  | 'command-failed'
  | 'timeout'
  | 'worker'
  | 'bastion';

/** What one look at SSH showed. `evidence` is for a person: what was seen, in words, without secrets. */
export type SshProbe =
  | { ok: true /** OpenSSH form. */; hostKey: string; evidence: string }
  | { ok: false; failure: SshFailure; evidence: string };

/** A classified failure on its way to becoming a `SshProbe`. */
export class SshError extends Error {
  override readonly name = 'SshError';
  readonly failure: SshFailure;
  /** Waiting cannot mend it. */
  readonly isFinal: boolean;

  constructor(failure: SshFailure, evidence: string, { isFinal = false } = {}) {
    super(evidence);
    this.failure = failure;
    this.isFinal = isFinal || failure === 'wrong-host-key';
  }
}

export function addressOf({ host, port }: Pick<SshTarget, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What a stranger sent, made fit for evidence: one line of printable ASCII, cut at `max` characters. */
export function quote(text: string, max = 120): string {
  const line = text.trim().replace(/[^\x20-\x7e]+/g, ' ');
  return `"${line.length > max ? `${line.slice(0, max)}…` : line}"`;
}
