import { ApplicationFailure, type UpdateDefinition } from '@temporalio/common';
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  currentUpdateInfo,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { instanceWorkflowId } from '../domain/ids.js';
import {
  COMMANDS,
  type Command,
  type CommandName,
  CommandRefused,
  decide,
  type InstanceRequestInput,
  type InstanceView,
  type Observation,
  type Phase,
  type RequestIssue,
  requestIssues,
  toInstanceRequest,
  toView,
} from '../domain/instance/index.js';
import { Instance, type InstanceSnapshot } from './entity.js';
import { feedJournal } from './journal-feed.js';
import {
  type CommandInput,
  describeQuery,
  eventsQuery,
  missingSignal,
  observedSignal,
  type Recorded,
  stockedSignal,
  UPDATES,
} from './messages.js';
import { awaitProvider } from './steps/awaiting.js';
import { end, StraySettler } from './steps/ending.js';
import { create, place } from './steps/placing.js';
import { reboot, start, stop } from './steps/power.js';
import { applyFirewall, connect } from './steps/readying.js';
import { park, rest } from './steps/resting.js';

type ActivePhase = Exclude<Phase, 'terminated'>;
type Step = (instance: Instance, request: InstanceRequestInput) => Promise<void>;

/** The lifecycle, in order. A step records what it found; it returns once the phase moved on, or somebody wants else. */
const STEPS: Record<ActivePhase, Step> = {
  placing: place, //              choose an offer that nothing blocks, or park
  creating: create, //            ask the provider; a refusal goes back to placing, a lost answer is looked up
  pending: awaitProvider, //      until it runs, or its deadline passes
  firewalling: applyFirewall, //  its rules, before anybody is told that it is there
  connecting: connect, //         until it answers SSH with the host key we know
  ready: rest, //                 until somebody wants something, or the provider loses it
  stopping: stop, //              ask, and wait until it is stopped
  stopped: rest,
  starting: start, //             then pending again; no stock leaves it stopped
  rebooting: reboot, //           then pending again
  discarding: end, //             it failed before anybody had it: gone for certain, then the next offer
  terminating: end, //            until it is proved gone
  parked: park, //                all is cleaned up, or kept on purpose; a person decides
};

/**
 * One execution owns one instance, from the request until the provider confirms that its machine is gone: through
 * stops and starts, for months, as new runs when the history grows.
 *
 * Invariants: an intent is recorded before the provider is called. Only this workflow appends events. Handlers record
 * and return; the loop works. `temporal workflow cancel` means terminate, so nothing in here is ever cancelled.
 *
 * Start it with the request alone; the snapshot is for its own next run.
 * @throws {ApplicationFailure} InvalidRequest, with every issue, before anything is created.
 */
export async function instance(request: InstanceRequestInput, snapshot?: InstanceSnapshot): Promise<InstanceView> {
  const entity = snapshot ? Instance.resume(snapshot) : Instance.begin(checked(request));
  feedJournal(entity);
  const strays = new StraySettler(entity);
  answerMessages(entity, strays); // before the first await, so that no early update is refused
  CancellationScope.current().cancelRequested.catch(() => {
    entity.handle({ type: 'terminate', requestId: 'temporal-cancel', actor: 'temporal workflow cancel' });
  });
  return await CancellationScope.nonCancellable(() => live(entity, strays, request));
}

async function live(entity: Instance, strays: StraySettler, request: InstanceRequestInput): Promise<InstanceView> {
  strays.settleAll();
  while (isActive(entity.phase) && !entity.isLong) {
    entity.record({ type: 'Reconcile' });
    strays.settleAll();
    if (isActive(entity.phase)) await STEPS[entity.phase](entity, request);
  }
  const isOver = () => strays.isSettled && entity.isDelivered;
  while (!isActive(entity.phase) && !isOver() && !entity.isLong) {
    entity.deliver();
    await entity.until(() => isOver() || entity.mustDeliver);
  }
  entity.publish();
  if (isActive(entity.phase) || !isOver()) return await goOnAsNew(entity, strays, request);
  await condition(allHandlersFinished);
  return toView(entity.state);
}

/**
 * A new run with the same state. An update that completes in the very workflow task that continues as new loses its
 * answer (temporal#6375): so one quiet task comes first.
 */
async function goOnAsNew(entity: Instance, strays: StraySettler, request: InstanceRequestInput): Promise<never> {
  strays.pause();
  let before: number;
  do {
    before = entity.intents;
    await sleep(1);
    await condition(allHandlersFinished);
  } while (entity.intents !== before);
  return await continueAsNew<typeof instance>(request, entity.snapshot());
}

function isActive(phase: Phase): phase is ActivePhase {
  return phase !== 'terminated';
}

function checked(request: InstanceRequestInput) {
  const issues = requestIssues(request);
  const { workflowId } = workflowInfo();
  if (issues.length === 0 && workflowId !== instanceWorkflowId(request.refId)) {
    issues.push({
      path: 'refId',
      message: `must fit the workflow id: start it as ${instanceWorkflowId(request.refId)}`,
    });
  }
  if (issues.length > 0) throw invalidRequest(issues);
  return toInstanceRequest(request);
}

function invalidRequest(issues: RequestIssue[]): ApplicationFailure {
  const message = issues.map(({ path, message: text }) => `${path || 'request'} ${text}`).join('; ');
  return ApplicationFailure.create({ type: 'InvalidRequest', message, nonRetryable: true, details: [{ issues }] });
}

function answerMessages(entity: Instance, strays: StraySettler): void {
  setHandler(describeQuery, () => toView(entity.state));
  setHandler(eventsQuery, (fromSeq) => entity.eventsFrom(fromSeq));
  // A signal cannot be refused, and one that throws would stop the instance: what is no observation is passed over.
  setHandler(observedSignal, (seen) => {
    if (isObservation(seen)) entity.observe(seen);
  });
  setHandler(missingSignal, (missing) => {
    if (typeof missing?.at === 'string') entity.miss(missing.at);
  });
  setHandler(stockedSignal, (stocked) => {
    if (typeof stocked?.offer === 'string') entity.restock(stocked.offer);
  });
  for (const name of COMMANDS) {
    setHandler(
      UPDATES[name] as UpdateDefinition<Recorded, [CommandInput?]>,
      (input?: CommandInput) => {
        const recorded = entity.handle(toCommand(name, input));
        strays.settleAll(); // a release may have let one go
        return recorded;
      },
      {
        // Refused before it is accepted: a command that breaks a rule leaves no trace in the history.
        validator: (input?: CommandInput) => {
          try {
            decide(entity.state, toCommand(name, input));
          } catch (error) {
            if (!(error instanceof CommandRefused)) throw error;
            const { kind, message, issues } = error;
            throw ApplicationFailure.nonRetryable(message, kind, ...(issues ? [{ issues }] : []));
          }
        },
      },
    );
  }
}

/** The update's own id stands in for a requestId that was not sent. @throws {CommandRefused} */
function toCommand(name: CommandName, input: CommandInput | null | undefined): Command {
  if (typeof (input ?? {}) !== 'object') {
    const issues = [{ path: '', message: 'must be an object' }];
    throw new CommandRefused('InvalidRequest', `The input of ${name} must be an object.`, issues);
  }
  const requestId = input?.requestId || currentUpdateInfo()?.id || '';
  return { ...input, type: name, requestId } as Command;
}

function isObservation(seen: Partial<Observation> | null | undefined): seen is Observation {
  return [seen?.cloudId, seen?.at, seen?.status].every((field) => typeof field === 'string');
}
