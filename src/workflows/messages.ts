/** What can be said to an instance's workflow, by name, from any Temporal SDK. Names are an interface: never rename. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { FirewallRules } from '../domain/firewall.js';
import type { CloudId, IsoTime, OfferId } from '../domain/ids.js';
import type { CommandName, InstanceEvent, InstanceView, Observation, Phase } from '../domain/instance/index.js';
import type { Refusal, Refusals } from '../domain/placement/refusals.js';
import type { Size } from '../domain/size.js';
import type { StrayDebt, StrayDebts } from '../domain/stray-debt.js';

/** What every command may carry. Without a requestId the update's own id is taken. */
export interface CommandInput {
  /** The same one twice has one effect, also across continue-as-new. */
  requestId?: string;
  /** Who asks, as the caller names itself: recorded, shown, not checked. */
  actor?: string;
}

export interface CommandInputs {
  stop: CommandInput;
  start: CommandInput;
  reboot: CommandInput;
  terminate: CommandInput & { reason?: string };
  retry: CommandInput;
  /** One machine that is owed, or one create whose outcome is unknown: named, where there are several. */
  release: CommandInput & { reason: string; cloudId?: CloudId; attempt?: number };
  setFirewallRules: CommandInput & { firewallRules: Partial<FirewallRules> };
  updateTags: CommandInput & { tags: Record<string, string> };
  changeInstanceType: CommandInput & { instanceType: string };
  resizeVolume: CommandInput & { size: Size };
}

/** A command's answer: its intent is recorded. The work comes after; wait for the phase. */
export interface Recorded {
  result: 'recorded' | 'already';
  phase: Phase;
  /** The newest event's number by then. */
  seq: number;
}

const command = <Name extends CommandName>(name: Name) => defineUpdate<Recorded, [CommandInputs[Name]?], Name>(name);

export const UPDATES = {
  stop: command('stop'),
  start: command('start'),
  reboot: command('reboot'),
  terminate: command('terminate'),
  retry: command('retry'),
  release: command('release'),
  setFirewallRules: command('setFirewallRules'),
  updateTags: command('updateTags'),
  changeInstanceType: command('changeInstanceType'),
  resizeVolume: command('resizeVolume'),
} as const satisfies Record<CommandName, unknown>;

/** Events from a number on, oldest first. */
export interface EventsPage {
  events: InstanceEvent[];
  /** The oldest event that the workflow still holds; older ones are in the journal. */
  firstSeq: number;
  lastSeq: number;
}

export const describeQuery = defineQuery<InstanceView>('describe');
export const eventsQuery = defineQuery<EventsPage, [number?]>('events');

/** From the watcher: one machine with this instance's refId, as its provider shows it. */
export const observedSignal = defineSignal<[Observation]>('observed');
/** From a watcher that has just begun: the account was listed whole, and nothing with this instance's refId was in it. */
export const missingSignal = defineSignal<[{ at: IsoTime }]>('missing');
/** Somebody else was just given a machine at this offer, or the catalog has it again: whoever waits for one there may ask. */
export const stockedSignal = defineSignal<[{ offer: OfferId }]>('stocked');

/** The watcher keeps what was sold out, for all requests of the account (see `activities/refusals.ts`). */
export const refusedSignal = defineSignal<[{ offer: OfferId; entry: Refusal }]>('refused');
export const probeEndedSignal = defineSignal<[{ offer: OfferId }]>('probeEnded');
export const claimProbeUpdate = defineUpdate<boolean, [{ offer: OfferId; refId: string }]>('claimProbe');
export const refusalsQuery = defineQuery<Refusals>('refusals');
/** It keeps what must be ended and has no instance left that would tell of it, too. */
export const strayOwedSignal = defineSignal<[StrayDebt]>('strayOwed');
export const strayGoneSignal = defineSignal<[{ cloudId: CloudId }]>('strayGone');
export const strayDebtsQuery = defineQuery<StrayDebts>('strayDebts');
/** Wakes a watcher: something of its account is about to change. */
export const wakeSignal = defineSignal('wake');
