import { ProviderError } from '../domain/errors.js';
import { alive } from './heartbeat.js';
import { publicKeyOf, waitForSsh } from './ssh-probe.js';
import type { InstanceActivities, ProbeInput } from './types.js';

/** The worker's private keys, by name. */
export type SshKeys = Readonly<Record<string, string>>;

/** @throws {ProviderError} InvalidRequest, for a name that the worker does not have. */
export function privateKey(keys: SshKeys, sshKeyRef: string): string {
  const key = Object.hasOwn(keys, sshKeyRef) ? keys[sshKeyRef] : undefined;
  if (key !== undefined) return key;
  const known = Object.keys(keys).join(', ') || 'none';
  const message = `sshKeyRef: this worker has no SSH key named ${sshKeyRef} (it has: ${known}).`;
  throw new ProviderError({ kind: 'InvalidRequest', message, operation: 'probeSsh' });
}

/** What is authorised on the machine beside the caller's key. */
export function slipwayPublicKey(keys: SshKeys, sshKeyRef: string): string {
  return publicKeyOf(privateKey(keys, sshKeyRef));
}

export function sshActivities(keys: SshKeys, leaving: AbortSignal): Pick<InstanceActivities, 'probeSsh'> {
  return {
    probeSsh: (input) =>
      alive(
        async ({ signal, report }) => {
          const { host, port, user, pinnedHostKey, withinMs } = input;
          const target = { host, port, user, privateKey: privateKey(keys, input.sshKeyRef), pinnedHostKey };
          const probe = await waitForSsh(target, { deadlineMs: withinMs, signal, onAttempt: report });
          if (probe.ok) return { hostKey: probe.hostKey, evidence: probe.evidence };
          throw unreachable(input, probe.failure, probe.evidence);
        },
        { leaving },
      ),
  };
}

function unreachable({ host, port, user }: ProbeInput, failure: string, evidence: string): ProviderError {
  const message = `${user}@${host}:${port} does not answer SSH (${failure}): ${evidence}`;
  return new ProviderError({ kind: 'SshUnreachable', message, operation: 'probeSsh', providerCode: failure });
}
