import type { WorkflowExecutionInfo } from '@temporalio/client';
import {
  type CloudCredRefId,
  INSTANCE_WORKFLOW_PREFIX,
  type IsoTime,
  instanceWorkflowId,
  type RefId,
  toIsoTime,
  watchWorkflowId,
} from '../domain/ids.js';
import type { Phase } from '../domain/instance/index.js';
import { PHASES } from '../domain/instance/phase.js';
import { SEARCH_ATTRIBUTES } from '../domain/search-attributes.js';
import { SlipwayError } from './errors.js';

/** One row of `list`: what visibility knows, which may lag a second behind. */
export interface ListedInstance {
  refId: RefId;
  phase?: Phase;
  provider?: string;
  cloudCredRefId?: string;
  location?: string;
  instanceType?: string;
  errorKind?: string;
  cleanupDebt: boolean;
  open: boolean;
  startedAt: IsoTime;
  closedAt?: IsoTime;
}

/** All given conditions must hold. By default only open instances. */
export interface ListFilter {
  /** Only these, as far as Temporal knows them; some hundred at most. */
  refId?: RefId | RefId[];
  phase?: Phase | Phase[];
  provider?: string;
  cloudCredRefId?: string;
  location?: string;
  instanceType?: string;
  errorKind?: string;
  /** Only those with something that could not be deleted yet. */
  cleanupDebt?: boolean;
  /** Also those that are over, as long as Temporal keeps them. */
  all?: boolean;
  /** At most this many, newest first. Default 1000. */
  limit?: number;
}

export function toListed(execution: WorkflowExecutionInfo): ListedInstance {
  const { workflowId, searchAttributes, status, startTime, closeTime } = execution;
  const attribute = (name: string) => (searchAttributes[name] as string[] | undefined)?.[0];
  return {
    refId: workflowId.slice(INSTANCE_WORKFLOW_PREFIX.length),
    phase: attribute(SEARCH_ATTRIBUTES.phase) as Phase | undefined,
    provider: attribute(SEARCH_ATTRIBUTES.provider),
    cloudCredRefId: attribute(SEARCH_ATTRIBUTES.credential),
    location: attribute(SEARCH_ATTRIBUTES.location),
    instanceType: attribute(SEARCH_ATTRIBUTES.instanceType),
    errorKind: attribute(SEARCH_ATTRIBUTES.errorKind),
    cleanupDebt: attribute(SEARCH_ATTRIBUTES.cleanupDebt) === 'open',
    open: status.name === 'RUNNING',
    startedAt: toIsoTime(startTime.getTime()),
    ...(closeTime && { closedAt: toIsoTime(closeTime.getTime()) }),
  };
}

/** A visibility query. Values are quoted here, and refused if they could end the quote. */
export function toQuery(filter: ListFilter): string {
  const conditions = ["WorkflowType = 'instance'"];
  if (!filter.all) conditions.push("ExecutionStatus = 'Running'");
  if (filter.refId !== undefined) {
    const ids = [filter.refId].flat().map((refId) => quote('refId', instanceWorkflowId(refId)));
    conditions.push(`WorkflowId IN (${ids.join(', ')})`);
  }
  const phases = filter.phase === undefined ? [] : [filter.phase].flat();
  for (const phase of phases) {
    if (!PHASES.includes(phase)) {
      const issue = { path: 'phase', message: `must be one of ${PHASES.join(', ')}` };
      throw new SlipwayError('InvalidRequest', `phase ${issue.message}`, { issues: [issue] });
    }
  }
  if (phases.length > 0) {
    conditions.push(`${SEARCH_ATTRIBUTES.phase} IN (${phases.map((phase) => `'${phase}'`).join(', ')})`);
  }
  const fields = [
    ['provider', SEARCH_ATTRIBUTES.provider],
    ['cloudCredRefId', SEARCH_ATTRIBUTES.credential],
    ['location', SEARCH_ATTRIBUTES.location],
    ['instanceType', SEARCH_ATTRIBUTES.instanceType],
    ['errorKind', SEARCH_ATTRIBUTES.errorKind],
  ] as const;
  for (const [field, attribute] of fields) {
    const value = filter[field];
    if (value !== undefined) conditions.push(`${attribute} = ${quote(field, value)}`);
  }
  if (filter.cleanupDebt) conditions.push(`${SEARCH_ATTRIBUTES.cleanupDebt} = 'open'`);
  return conditions.join(' AND ');
}

/** A visibility query: the watches of all accounts on a task queue, or that of one. */
export function toWatchQuery(taskQueue: string, cloudCredRefId?: CloudCredRefId): string {
  const conditions = ["WorkflowType = 'watch'", "ExecutionStatus = 'Running'", `TaskQueue = '${taskQueue}'`];
  if (cloudCredRefId !== undefined)
    conditions.push(`WorkflowId = ${quote('cloudCredRefId', watchWorkflowId(cloudCredRefId))}`);
  return conditions.join(' AND ');
}

function quote(field: string, value: string): string {
  if (/^[^'"\\\p{Cc}]{1,200}$/u.test(value)) return `'${value}'`;
  const issue = { path: field, message: 'must be at most 200 characters without quotes' };
  throw new SlipwayError('InvalidRequest', `${field} ${issue.message}`, { issues: [issue] });
}
