import { isGrpcServiceError, type WorkflowClient } from '@temporalio/client';
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { instanceWorkflowId } from '../domain/ids.js';
import type { InstanceRequestInput } from '../domain/instance/index.js';
import { SEARCH_ATTRIBUTES, type SearchAttributeName } from '../domain/search-attributes.js';

const INVALID_ARGUMENT = 3;

/** Starts an instance's workflow. The request has no issues. @throws as `WorkflowClient.start` */
export async function startInstance(workflows: WorkflowClient, taskQueue: string, request: InstanceRequestInput) {
  const start = (typedSearchAttributes: SearchAttributePair[]) =>
    workflows.start('instance', {
      workflowId: instanceWorkflowId(request.refId),
      taskQueue,
      args: [request],
      workflowIdConflictPolicy: 'FAIL',
      // An execution fails only on an invalid request, before anything is created: that must not burn the refId.
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      staticSummary: `${request.name} (${request.refId})`.slice(0, 200),
      typedSearchAttributes,
    });
  try {
    return await start(firstAttributes(request));
  } catch (error) {
    // No worker has prepared this server yet; the first one that comes does, and the workflow writes them then.
    if (!isGrpcServiceError(error) || error.code !== INVALID_ARGUMENT || !/search attribute/i.test(error.message))
      throw error;
    return await start([]);
  }
}

export function keyword(name: SearchAttributeName, value: string): SearchAttributePair {
  return { key: defineSearchAttributeKey(name, 'KEYWORD'), value };
}

/** What the workflow would write first: sent along with the start it costs no event and no action. */
function firstAttributes({ offers: [offer] }: InstanceRequestInput): SearchAttributePair[] {
  return [
    keyword(SEARCH_ATTRIBUTES.phase, 'creating'),
    ...(offer
      ? [
          keyword(SEARCH_ATTRIBUTES.credential, offer.cloudCredRefId),
          keyword(SEARCH_ATTRIBUTES.location, offer.location),
          keyword(SEARCH_ATTRIBUTES.instanceType, offer.instanceType),
        ]
      : []),
  ];
}
