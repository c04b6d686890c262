import { z } from 'zod';
import { PHASES } from '../../domain/instance/phase.js';
import * as values from './values.js';

const text = z.string();

const attempt = z.object({
  attempt: z.int().min(1),
  offer: values.offer,
  at: values.time,
  outcome: z.enum(['open', 'unknown', 'created', 'failed']),
  unknownSince: values.time.optional().describe('When the answer to the create was lost.'),
  released: z.literal(true).optional().describe('A person said that nothing of it is left.'),
  failure: values.failure.optional(),
  failedAt: values.time.optional(),
});

const debt = z.object({
  cloudId: text,
  offer: values.offer,
  since: values.time,
  cause: z.enum(['stray', 'undeleted']),
  failure: values.failure.optional(),
  pricePerHour: values.money.optional(),
});

/** What `describe` answers. */
export const viewSchema = z
  .object({
    refId: values.refId,
    name: text,
    phase: z.enum(PHASES).describe('See docs/lifecycle.md.'),
    lifecycleStatus: values.lifecycleStatus,
    since: values.time.describe('When the phase began.'),
    waitingFor: text,
    normally: text.optional().describe('How long the phase lasts when all is well, in words.'),
    deadline: values.time.optional().describe('When it gives up, or tries again.'),
    desired: z.enum(['running', 'stopped', 'terminated']),
    seq: z.int().min(1).describe('Number of the newest event.'),
    offer: values.offer.optional(),
    provider: text.optional(),
    cloudId: text.optional(),
    adopted: z.boolean().optional(),
    address: text.optional(),
    privateAddress: text.optional(),
    portMappings: values.portMappings.optional(),
    sshUser: text.optional(),
    sshPort: z.number().optional(),
    hostKey: text.optional().describe('OpenSSH form.'),
    knownHosts: text.optional().describe('One line for known_hosts.'),
    pricePerHour: values.money.optional(),
    capabilities: z.array(values.capability).optional(),
    firewallRules: values.firewallRules,
    firewallApplied: z.boolean().describe('Are the wanted rules known to be in force?'),
    tags: values.tags,
    attempts: z.array(attempt),
    pendingChanges: z.array(values.change),
    failure: values.failure.optional(),
    cleanupDebt: z.array(debt).describe('What may bill and is not proved gone.'),
    lastCommand: z.object({ type: text, actor: text.optional(), at: values.time }).optional(),
    terminated: values.absenceProof.optional(),
  })
  .meta({ title: 'Instance', description: 'Where an instance stands, and why. Ignore fields you do not know.' });
