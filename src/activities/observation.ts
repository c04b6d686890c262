import { type CloudCredRefId, toIsoTime } from '../domain/ids.js';
import type { Observation } from '../domain/instance/index.js';
import type { CloudInstance } from '../domain/provider.js';

/** Bills, or soon will: not on its way out, and not failed. */
export function isLive({ status }: CloudInstance): boolean {
  return status !== 'terminating' && status !== 'terminated' && status !== 'failed';
}

export function toObservation(seen: CloudInstance, at: number, cloudCredRefId: CloudCredRefId): Observation {
  const { cloudId, status, statusMessage, location, subLocation, instanceType, sshUser, sshPort } = seen;
  return {
    cloudId,
    at: toIsoTime(at),
    status,
    offer: { cloudCredRefId, location, instanceType, ...(subLocation && { subLocation }) },
    sshUser,
    sshPort,
    ...(statusMessage && { message: statusMessage }),
    ...(seen.attemptKey && { attemptKey: seen.attemptKey }),
    ...(seen.pricePerHour && { pricePerHour: seen.pricePerHour }),
    ...(seen.publicAddress && { publicAddress: seen.publicAddress }),
    ...(seen.portMappings && { portMappings: seen.portMappings }),
    ...(seen.privateAddress && { privateAddress: seen.privateAddress }),
    ...(seen.status === 'running' && seen.firewallRules && { firewallRules: seen.firewallRules }),
  };
}
