import { z } from 'zod';
import { LIMITS } from '../../domain/instance/request.js';
import { firewallRulesInput, line, size, tagsInput } from './values.js';

const command = <Fields extends z.ZodRawShape>(fields: Fields, description: string) =>
  z
    .strictObject({
      requestId: line(LIMITS.requestId).optional().describe('The same one twice has one effect.'),
      actor: line(LIMITS.actor).optional().describe('Who asks, as the caller names itself.'),
      ...fields,
    })
    .describe(description);

/** The input of each Temporal Update of an instance's workflow, by the Update's name. */
export const commandSchemas = {
  stop: command({}, 'Stops the machine, and keeps it.'),
  start: command({}, 'Starts a stopped machine.'),
  reboot: command({}, 'Reboots a machine that is ready.'),
  terminate: command({ reason: line(LIMITS.reason).optional() }, 'Ends the instance, for good.'),
  retry: command(
    {},
    'Tries again what failed: a parked instance, a deletion that is owed, or a look for what an unknown create made.',
  ),
  release: command(
    {
      reason: line(LIMITS.reason),
      cloudId: line(LIMITS.actor).optional().describe('Which cleanup debt, when something else is open.'),
      attempt: z.int().min(1).optional().describe('Which unknown create, when something else is open.'),
    },
    'Closes a cleanup debt, or a create whose outcome is unknown, on a person’s word.',
  ),
  setFirewallRules: command({ firewallRules: firewallRulesInput }, 'Replaces the firewall rules.'),
  updateTags: command({ tags: tagsInput }, 'Replaces the tags.'),
  changeInstanceType: command({ instanceType: line(LIMITS.word) }, 'Changes the type of a stopped machine.'),
  resizeVolume: command({ size }, 'Grows the machine’s volume.'),
} as const;
