import type { CloudInstance, CreateInstanceAttrs, LifecycleStatus } from '../domain/provider.js';

const ENDED: ReadonlySet<LifecycleStatus> = new Set(['terminating', 'terminated']);

/**
 * The machine that a create of this refId must return instead of making another: a live one, this attempt's before
 * another's, then the oldest. One that failed is only what this very attempt made; an earlier attempt's is to be
 * ended, not adopted.
 */
export function findEarlier(
  listed: readonly CloudInstance[],
  { refId, attemptKey }: Pick<CreateInstanceAttrs, 'refId' | 'attemptKey'>,
): CloudInstance | undefined {
  const [first] = listed
    .filter((instance) => instance.refId === refId && !ENDED.has(instance.status))
    .filter((instance) => instance.status !== 'failed' || instance.attemptKey === attemptKey)
    .sort(
      (a, b) =>
        Number(b.attemptKey === attemptKey) - Number(a.attemptKey === attemptKey) ||
        Date.parse(a.createdAt) - Date.parse(b.createdAt) ||
        (a.cloudId < b.cloudId ? -1 : 1),
    );
  return first;
}
