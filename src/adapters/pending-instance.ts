import type { CloudInstance, CreateInstanceAttrs } from '../domain/provider.js';

/**
 * What a create's answer told, or the adapter knows of all its machines. `location` and `tags`,
 * where they are not what was asked for.
 */
export type Made = Pick<
  CloudInstance,
  'cloudId' | 'instanceTypeId' | 'sshUser' | 'sshPort' | 'createdAt' | 'capabilities'
> &
  Partial<Pick<CloudInstance, 'location' | 'tags'>>;

/** Where a create answers with an id alone: the rest is what was asked for. */
export function pendingInstance(attrs: CreateInstanceAttrs, made: Made): CloudInstance {
  const { refId, cloudCredRefId, attemptKey, name, location, instanceType, tags } = attrs;
  return { refId, cloudCredRefId, attemptKey, name, status: 'pending', location, instanceType, tags, ...made };
}
