import { defineSearchAttributeKey, type SearchAttributeUpdatePair } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { InstanceEvent, InstanceState, Phase } from '../domain/instance/index.js';
import { toView } from '../domain/instance/view.js';
import { offerId } from '../domain/placement/offer.js';
import { SEARCH_ATTRIBUTES, type SearchAttributeName } from '../domain/search-attributes.js';

/** How many of the newest events the UI shows. */
const EVENTS_SHOWN = 12;

/**
 * Passed in a moment: a phase that is published for a second costs an upsert, and no search would meet it. The phase
 * before it stays published meanwhile; `describe` always tells the present one.
 */
const NOT_PUBLISHED: ReadonlySet<Phase> = new Set<Phase>(['firewalling']);

/**
 * Tells Temporal where the instance stands: search attributes, one upsert for all that changed, and the story in words
 * (which costs no event). Called before each wait, so that a phase that lasts no time is never written.
 */
export function tellStory(state: InstanceState, events: readonly InstanceEvent[]): void {
  const changed = searchAttributesOf(state).filter(([name, value]) => currentValue(name) !== value);
  const isBrief = NOT_PUBLISHED.has(state.phase) && changed.every(([name]) => name === SEARCH_ATTRIBUTES.phase);
  if (changed.length > 0 && !isBrief) {
    upsertSearchAttributes(
      changed.map(([name, value]): SearchAttributeUpdatePair => ({ key: key(name), value: value ?? null })),
    );
  }
  setCurrentDetails(details(state, events));
}

function searchAttributesOf(state: InstanceState): [SearchAttributeName, string | undefined][] {
  const offer = state.machine?.offer ?? state.attempts.at(-1)?.offer;
  return [
    [SEARCH_ATTRIBUTES.phase, state.phase],
    [SEARCH_ATTRIBUTES.provider, state.machine?.provider ?? currentValue(SEARCH_ATTRIBUTES.provider)],
    [SEARCH_ATTRIBUTES.credential, offer?.cloudCredRefId],
    [SEARCH_ATTRIBUTES.location, offer?.location],
    [SEARCH_ATTRIBUTES.instanceType, offer?.instanceType],
    [SEARCH_ATTRIBUTES.errorKind, state.failure?.kind],
    [SEARCH_ATTRIBUTES.cleanupDebt, state.debts.length > 0 ? 'open' : undefined],
  ];
}

function key(name: SearchAttributeName) {
  return defineSearchAttributeKey(name, 'KEYWORD');
}

function currentValue(name: SearchAttributeName): string | undefined {
  return workflowInfo().typedSearchAttributes.get(key(name));
}

/** Markdown for the workflow's page in Temporal's UI. */
function details(state: InstanceState, events: readonly InstanceEvent[]): string {
  const view = toView(state);
  const lines = [
    `**${view.phase}** since ${view.since}: waits for ${view.waitingFor}${view.deadline ? `, until ${view.deadline}` : ''}.`,
    view.offer && `Offer: \`${offerId(view.offer)}\`${view.cloudId ? `, machine \`${view.cloudId}\`` : ''}.`,
    view.address && `SSH: \`${view.sshUser}@${view.address}\` port ${view.sshPort}.`,
    view.failure && `Failure: **${view.failure.kind}**: ${view.failure.message}`,
    ...view.cleanupDebt.map(({ cloudId, since, cause }) => `Cleanup debt: \`${cloudId}\` (${cause}) since ${since}.`),
    '',
    ...events.slice(-EVENTS_SHOWN).map(({ seq, at, type }) => `${seq}. ${at} ${type}`),
  ];
  return lines.filter((line) => typeof line === 'string').join('\n');
}
