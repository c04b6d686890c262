import { type IsoTime, toEpochMs } from '../../domain/ids.js';
import type { InstanceEvent, InstanceState } from '../../domain/instance/index.js';
import type { Money } from '../../domain/money.js';
import type { Offer } from '../../domain/placement/offer.js';

/** One machine that this instance had, or that was found with its refId: what bills. */
export interface MachineFact {
  cloudId: string;
  /** 0 for a stray: it belongs to no attempt we know. */
  attempt: number;
  offer: Offer;
  provider: string;
  adopted: boolean;
  pricePerHour?: Money;
  /** When its creation, or for a stray its discovery, was recorded. */
  createdAt: IsoTime;
  /** From `createdAt` to its first InstanceRunning, in ms. */
  runningMs?: number;
  /** From `createdAt` to its first InstanceReady, in ms. */
  readyMs?: number;
  /** When it was proved gone, or let go by a person. */
  goneAt?: IsoTime;
  goneBy?: string;
}

type Machines = readonly MachineFact[];

/** The machines after one more event. `before` is the state that the event met: it names the machine in use. */
export function advanceMachines(machines: Machines, event: InstanceEvent, before: InstanceState | undefined): Machines {
  const inUse = before?.machine?.cloudId;
  switch (event.type) {
    case 'InstanceCreated': {
      const { cloudId, attempt, offer, provider, adopted } = event;
      const pricePerHour = event.pricePerHour ?? offer.pricePerHour;
      const machine = { cloudId, attempt, offer, provider, adopted, ...(pricePerHour && { pricePerHour }) };
      return put(machines, { ...machine, createdAt: event.at });
    }
    case 'StrayFound': {
      const { cloudId, offer } = event;
      const price = offer.pricePerHour && { pricePerHour: offer.pricePerHour };
      return put(machines, { cloudId, attempt: 0, offer, provider: '', adopted: false, ...price, createdAt: event.at });
    }
    case 'InstanceRunning':
      return change(machines, inUse, (one) => ({ runningMs: one.runningMs ?? since(one, event.at) }));
    case 'InstanceReady':
      return change(machines, inUse, (one) => ({ readyMs: one.readyMs ?? since(one, event.at) }));
    case 'MachineDiscarded':
    case 'CleanupDebtClosed':
    case 'StrayEnded':
      return end(machines, event.cloudId, event.proof.at, event.proof.by);
    case 'InstanceTerminated':
      return end(machines, inUse, event.proof.at, event.proof.by);
    case 'DebtReleased':
      return end(machines, event.cloudId, event.at, 'released');
    default:
      return machines;
  }
}

/** A machine that is known already keeps its beginning: a stray that turns out to be ours has billed since it was found. */
function put(machines: Machines, machine: MachineFact): Machines {
  const known = machines.find(({ cloudId }) => cloudId === machine.cloudId);
  const merged = known ? { ...machine, createdAt: known.createdAt } : machine;
  return [...machines.filter((one) => one !== known), merged];
}

function change(
  machines: Machines,
  id: string | undefined,
  edit: (one: MachineFact) => Partial<MachineFact>,
): Machines {
  return machines.map((one) => (one.cloudId === id && !one.goneAt ? { ...one, ...edit(one) } : one));
}

/** Gone is gone: the first proof counts. One that is older than the machine (a clock that ran ahead) ends it at 0. */
function end(machines: Machines, cloudId: string | undefined, at: IsoTime, goneBy: string): Machines {
  return change(machines, cloudId, ({ createdAt }) => ({ goneAt: at < createdAt ? createdAt : at, goneBy }));
}

function since({ createdAt }: MachineFact, at: IsoTime): number {
  return Math.max(0, toEpochMs(at) - toEpochMs(createdAt));
}
