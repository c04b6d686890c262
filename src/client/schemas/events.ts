import { z } from 'zod';
import type { InstanceState } from '../../domain/instance/index.js';
import { filledRequest } from './request.js';
import * as values from './values.js';

const text = z.string();
const cloudId = text.describe('The provider’s own key for the machine.');
const attempt = z.int().min(1);
const proof = values.absenceProof;
const { failure, offer } = values;
/** Who asked, and under which id. */
const stamp = { requestId: text, actor: text.optional() };

/** For the journal's own fold, and not spelt out: it is as the events before it made it. */
const state = z.record(z.string(), z.unknown()) as unknown as z.ZodType<InstanceState>;

function event<Type extends string, Fields extends z.ZodRawShape>(type: Type, fields: Fields) {
  return z.object({ type: z.literal(type), seq: z.int().min(1), at: values.time, ...fields });
}

/** Facts about one instance, oldest first; `seq` counts from 1 without a gap. New types and new fields may come. */
export const eventSchema = z
  .discriminatedUnion('type', [
    event('InstanceRequested', { request: filledRequest }),
    event('CreateAttempted', { attempt, offer }),
    event('CapacityAwaited', { until: values.time }),
    event('StockReturned', { offerId: text }),
    event('CapacityRefused', { attempt, failure }),
    event('QuotaRefused', { attempt, failure }),
    event('CredentialRefused', { attempt, failure }),
    event('ProviderUnavailable', { attempt, failure }),
    event('OfferRejected', { attempt, failure }),
    event('RequestRejected', { attempt, failure }),
    event('CreateOutcomeUnknown', { attempt, failure }),
    event('CreateConfirmedAbsent', { attempt, evidence: text }),
    event('InstanceCreated', {
      attempt,
      offer,
      provider: text,
      cloudId,
      adopted: z.boolean(),
      capabilities: z.array(values.capability),
      sshUser: text,
      sshPort: z.number(),
      hostFirewall: z.literal(true).optional(),
      pricePerHour: values.money.optional(),
      providerRequestId: text.optional(),
      usualBoot: z.object({ machines: z.number(), p50Ms: z.number(), p99Ms: z.number() }).optional(),
    }),
    event('InstanceRunning', {
      publicAddress: text,
      privateAddress: text.optional(),
      portMappings: values.portMappings.optional(),
      sshUser: text,
      sshPort: z.number(),
      pricePerHour: values.money.optional(),
    }),
    event('FirewallApplied', { rules: values.firewallRules, strategy: z.enum(['native', 'host', 'none']) }),
    event('InstanceReady', { hostKey: text, evidence: text }),
    event('WaitTimedOut', { waitingFor: text, failure }),
    event('MachineFailed', { failure }),
    event('MachineVanished', { failure }),
    event('FirewallFailed', { failure }),
    event('SshFailed', { failure }),
    event('StopRefused', { failure }),
    event('StartRefused', { failure, retryAt: values.time.optional() }),
    event('RebootRefused', { failure }),
    event('MachineDiscarded', { cloudId, proof }),
    event('InstanceParked', { failure, reason: text }),
    event('InstanceStopping', {}),
    event('InstanceStopped', {}),
    event('InstanceStarting', {}),
    event('StartAccepted', {}),
    event('InstanceRebooting', {}),
    event('RebootAccepted', {}),
    event('StoppedOutside', { status: values.lifecycleStatus, message: text.optional() }),
    event('StartedOutside', { message: text.optional() }),
    event('TerminationBegan', { cloudId }),
    event('InstanceTerminated', { proof, failure: failure.optional() }),
    event('CleanupDebtOpened', { cloudId, offer, failure, pricePerHour: values.money.optional() }),
    event('CleanupDebtClosed', { cloudId, proof }),
    event('StrayFound', { cloudId, offer, attemptKey: text.optional() }),
    event('StrayEnded', { cloudId, proof }),
    event('StopRequested', stamp),
    event('StartRequested', stamp),
    event('RebootRequested', stamp),
    event('TerminateRequested', { reason: text.optional(), ...stamp }),
    event('RetryRequested', stamp),
    event('DebtReleased', { cloudId, reason: text, ...stamp }),
    event('CreateReleased', { attempt, reason: text, ...stamp }),
    event('FirewallChangeRequested', { rules: values.firewallRules, ...stamp }),
    event('TagsChangeRequested', { tags: values.tags, ...stamp }),
    event('TypeChangeRequested', { instanceType: text, ...stamp }),
    event('VolumeResizeRequested', { size: values.size, ...stamp }),
    event('ChangeApplied', { change: values.change }),
    event('ChangeRefused', { change: values.change, failure }),
    event('FactsLost', { from: z.int().min(1), state }),
  ])
  .meta({ title: 'Event', description: 'One fact about an instance. Ignore types and fields you do not know.' });
