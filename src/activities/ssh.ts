import type { BastionConfig } from '../adapters/bastion.js';
import { ProviderError } from '../domain/errors.js';
import { isGpu } from '../domain/gpu.js';
import type { CloudCredRefId } from '../domain/ids.js';
import type { ExpectedGpus } from '../domain/instance/index.js';
import { changeHostFirewall } from './firewall/host-change.js';
import { FirewallError, proveFirewall } from './firewall/proof.js';
import { alive } from './heartbeat.js';
import { type Bastion, publicKeyOf, type Readiness, type SshConnection, type Until, waitForSsh } from './ssh-probe.js';
import type { InstanceActivities, Probed, ProbeInput } from './types.js';

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

type SshActivities = Pick<InstanceActivities, 'probeSsh' | 'verifyFirewall' | 'changeHostFirewall'>;

export type BastionOf = (cloudCredRefId: CloudCredRefId) => BastionConfig | undefined;

/** The bastion's own key, or the one that the request names. @throws {ProviderError} InvalidRequest */
function toBastion(keys: SshKeys, { host, port, user, sshKeyRef, hostKey }: BastionConfig, fallback: string): Bastion {
  return { host, port, user, privateKey: privateKey(keys, sshKeyRef ?? fallback), pinnedHostKey: hostKey };
}

export function sshActivities(
  keys: SshKeys,
  leaving: AbortSignal,
  bastionOf: BastionOf = () => undefined,
): SshActivities {
  const ready = (input: ProbeInput, readiness: Readiness): Promise<Probed> =>
    alive(
      async ({ signal, report }) => {
        const { host, port, user, pinnedHostKey, withinMs: deadlineMs, firewall, hostRules } = input;
        const bastion = bastionOf(input.cloudCredRefId);
        const via = bastion && { via: toBastion(keys, bastion, input.sshKeyRef) };
        const target = { host, port, user, privateKey: privateKey(keys, input.sshKeyRef), pinnedHostKey, ...via };
        const prove = async (connection: SshConnection, until: Until): Promise<string[]> => [
          ...(hostRules ? await changeHostFirewall(connection, target, hostRules, until) : []),
          ...(firewall
            ? await proveFirewall(connection, { ...target, portMappings: input.portMappings }, firewall, {
                until,
                report,
              })
            : []),
        ];
        try {
          const probe = await waitForSsh(target, { ...readiness, deadlineMs, signal, onAttempt: report, prove });
          if (probe.ok) return { hostKey: probe.hostKey, evidence: probe.evidence };
          throw unreachable(input, probe.failure, probe.evidence);
        } catch (error) {
          throw error instanceof FirewallError ? unverified(input, error) : error;
        }
      },
      { leaving },
    );
  return {
    probeSsh: ({ gpus, ...input }) => ready(input, { ...(gpus && { gpus: toGpus(gpus) }) }),
    verifyFirewall: (input) => ready(input, { cloudInit: false }),
    changeHostFirewall: (input) => ready(input, { cloudInit: false }),
  };
}

function toGpus({ count, name }: ExpectedGpus): NonNullable<Readiness['gpus']> {
  return { count, ...(name !== undefined && { isExpected: (seen: string) => isGpu(seen, name) }) };
}

function unreachable({ host, port, user }: ProbeInput, failure: string, evidence: string): ProviderError {
  const message = `${user}@${host}:${port} does not answer SSH (${failure}): ${evidence}`;
  return new ProviderError({ kind: 'SshUnreachable', message, operation: 'probeSsh', providerCode: failure });
}

function unverified({ host }: ProbeInput, { finding, message: evidence }: FirewallError): ProviderError {
  const message = `The firewall of ${host} does not hold (${finding}): ${evidence}`;
  return new ProviderError({ kind: 'FirewallUnverified', message, operation: 'verifyFirewall', providerCode: finding });
}
