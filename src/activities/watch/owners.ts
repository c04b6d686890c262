import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { type CloudCredRefId, INSTANCE_WORKFLOW_PREFIX } from '../../domain/ids.js';
import type { Phase } from '../../domain/instance/index.js';
import type { LifecycleStatus } from '../../domain/provider.js';
import { SEARCH_ATTRIBUTES } from '../../domain/search-attributes.js';

/** By refId, the phases of an account's open instances, as visibility has them: it may lag. */
export type Owners = ReadonlyMap<string, Phase | undefined>;

/** Listings wait for visibility meanwhile, in ms: ten pages tell of 10,000 instances. */
const WITHIN_MS = 30_000;
/** Phases in which an entity waits for nothing, and would never look by itself. */
const RESTING: ReadonlySet<Phase> = new Set<Phase>(['ready', 'stopped']);

/** Every open instance of the account, a thousand to a page. What visibility does not say costs an event and harms nobody. */
export async function askForOwners(
  client: Client,
  logger: Logger,
  cloudCredRefId: CloudCredRefId,
): Promise<Owners | undefined> {
  const { phase, credential } = SEARCH_ATTRIBUTES;
  const query = `WorkflowType = 'instance' AND ExecutionStatus = 'Running' AND ${credential} = '${cloudCredRefId}'`;
  const owners = new Map<string, Phase | undefined>();
  try {
    await client.withDeadline(Date.now() + WITHIN_MS, async () => {
      for await (const { workflowId, searchAttributes } of client.workflow.list({ query })) {
        const [value] = (searchAttributes[phase] ?? []) as Phase[];
        owners.set(workflowId.slice(INSTANCE_WORKFLOW_PREFIX.length), value);
      }
    });
    return owners;
  } catch (error) {
    logger.warn({ err: error }, 'Visibility did not answer; who has an owner is asked again later');
    return undefined;
  }
}

/** Those that count on a machine, and would not miss it. */
export function* restingOf(owners: Owners): Generator<string> {
  for (const [refId, phase] of owners) if (phase && RESTING.has(phase)) yield refId;
}

/** Does its entity rest, and believe its machine to be as it is? Then it needs no telling. */
export function isAsBelieved(owners: Owners | undefined, refId: string, status: LifecycleStatus): boolean {
  const phase = owners?.get(refId);
  return (phase === 'ready' && status === 'running') || (phase === 'stopped' && status === 'stopped');
}
