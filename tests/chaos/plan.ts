import type { InstanceRequestInput, Policy } from '../../src/domain/instance/index.js';
import type { Capability } from '../../src/domain/provider.js';
import type { FaultSchedule } from '../../src/simcloud/index.js';
import { Random } from './random.js';

/** What is done with one instance: its request, and what people want of it along the way. */
export interface InstancePlan {
  refId: string;
  startAfterMs: number;
  request: Omit<InstanceRequestInput, 'publicKey'>;
  /** One after the other; `settle` waits until it is ready, stopped, parked or over. */
  steps: PlannedStep[];
}

export type PlannedStep =
  | { step: 'settle' }
  | { step: 'wait'; ms: number }
  | { step: 'stop' | 'start' | 'reboot' | 'retry' | 'terminate'; requestId: string }
  | { step: 'setFirewallRules'; requestId: string; port: number }
  | { step: 'updateTags'; requestId: string; value: string };

export const VICTIMS = ['worker', 'temporal', 'journal'] as const;
export type Victim = (typeof VICTIMS)[number];

/** A process that is killed with SIGKILL, and started again. */
export interface PlannedKill {
  afterMs: number;
  victim: Victim;
  downForMs: number;
}

export interface ChaosPlan {
  seed: string;
  instances: InstancePlan[];
  kills: PlannedKill[];
  faults: FaultSchedule;
}

/** Whom a plan is for, where it is not simcloud itself. */
export interface ChaosTarget {
  /** Orders that need another one are left out. */
  capabilities: readonly Capability[];
  /** The vendor’s name for one of simcloud’s types. */
  toType(name: string): string;
}

/** Everything that happens follows from this: the same seed, the same plan; for a target, the part that it can do. */
export function planChaos(
  seed: string,
  instances: number,
  cloudCredRefId: string,
  target: ChaosTarget = { capabilities: Object.values(NEEDS), toType: (name) => name },
): ChaosPlan {
  const random = new Random(seed);
  const spreadMs = Math.max(2_000, instances * 40);
  return {
    seed,
    instances: Array.from({ length: instances }, (_, index) =>
      planInstance(random.fork(`instance-${index}`), `c${index}`, spreadMs, cloudCredRefId, target),
    ),
    kills: planKills(random.fork('kills'), spreadMs),
    faults: { seed, rates: RATES, delayMs: DELAYS, retryAfterSeconds: 1 },
  };
}

/** The declared lag of the simulated listings, in ms: faults stay within it, as the vendor has promised. */
export const LISTING_LAG_MS = 1_500;

/** Per call that each can strike. High enough that most instances meet one. */
const RATES: FaultSchedule['rates'] = {
  'drop-answer-after-work': 0.03,
  'drop-before-work': 0.02,
  'late-answer': 0.03,
  'late-work': 0.01,
  'rate-limited': 0.02,
  'error-500': 0.02,
  'error-500-after-work': 0.02,
  'error-503': 0.02,
  'html-instead-of-json': 0.01,
  'out-of-stock': 0.04,
  quota: 0.005,
  'terminate-refused': 0.05,
  'terminate-lies': 0.05,
  'slow-terminate': 0.03,
  'list-lags': 0.02,
  'list-loses-page': 0.005,
  'list-repeats-page': 0.02,
  'list-fails-on-page-2': 0.02,
  'boots-then-fails': 0.03,
  'boot-fails': 0.02,
  'never-boots': 0.02,
  'slow-boot': 0.05,
  vanishes: 0.02,
  'stops-by-itself': 0.02,
  'ssh-silent': 0.02,
  'ssh-refused': 0.02,
  'ssh-resets': 0.01,
  'ssh-refuses-key': 0.01,
};

const DELAYS: FaultSchedule['delayMs'] = {
  'late-answer': 1_500,
  'late-work': 4_000, // long past the lag: a late arrival
  'list-lags': 1_000,
  'slow-terminate': 2_000,
  'slow-boot': 3_000,
  vanishes: 4_000,
  'stops-by-itself': 4_000,
  'boots-then-fails': 500,
};

const POLICY: Partial<Policy> = {
  provisionWithin: '90s',
  pendingToRunning: '8s',
  runningToSsh: '8s',
  runningToStopped: '8s',
  stoppedToRunning: '10s',
  toTerminated: '5s',
};

const LOCATIONS = ['us-west-1', 'us-east-1', 'eu-north-1'] as const;
/** Two of them cannot stop. Enough offers that one which is sold out, and remembered as such, holds up few others. */
const TYPES = [
  'gpu_1x_a10',
  'gpu_1x_a100_sxm4',
  'gpu_8x_a100_80gb_sxm4',
  'gpu_1x_h100_pcie',
  'gpu_8x_h100_sxm5',
  'cpu_4x_general',
] as const;

/** What an order needs; the others need nothing. */
const NEEDS: Readonly<Record<string, Capability>> = {
  stop: 'stop-start-instance',
  start: 'stop-start-instance',
  reboot: 'reboot-instance',
  setFirewallRules: 'modify-firewall',
  updateTags: 'tags',
};

function planInstance(
  random: Random,
  name: string,
  spreadMs: number,
  cloudCredRefId: string,
  { capabilities, toType }: ChaosTarget,
): InstancePlan {
  const refId = `${name}-${Math.floor(random.next() * 2 ** 32).toString(36)}`;
  const places = LOCATIONS.flatMap((location) => TYPES.map((instanceType) => ({ location, instanceType })));
  const first = random.between(0, places.length - 1);
  const offers = Array.from({ length: random.between(2, 6) }, (_, index) => {
    const place = places[(first + index * 7) % places.length] ?? { location: LOCATIONS[0], instanceType: TYPES[0] };
    return { cloudCredRefId, location: place.location, instanceType: toType(place.instanceType) };
  });
  const policy: Partial<Policy> = { ...POLICY, onFailure: random.chance(0.8) ? 'park' : 'terminate' };
  const port = random.between(1_024, 60_000);
  const firewallRules = { ingressRules: random.chance(0.5) ? [{ fromPort: port, toPort: port, ipRanges: [] }] : [] };
  return {
    refId,
    startAfterMs: random.between(0, spreadMs),
    request: { refId, name, offers, policy, firewallRules },
    steps: planSteps(random.fork('steps'), refId).filter(({ step }) => {
      const need = NEEDS[step];
      return need === undefined || capabilities.includes(need);
    }),
  };
}

function planSteps(random: Random, refId: string): PlannedStep[] {
  let asked = 0;
  const requestId = () => `${refId}-r${asked++}`;
  const terminate: PlannedStep = { step: 'terminate', requestId: 'the-end' };
  if (random.chance(0.2)) return [{ step: 'wait', ms: random.between(0, 6_000) }, terminate]; // at any moment
  const steps: PlannedStep[] = [{ step: 'settle' }];
  for (let turn = random.between(0, 3); turn > 0; turn--) {
    const what = random.pick(['cycle', 'reboot', 'retry', 'firewall', 'tags', 'stop-then-end'] as const);
    if (what === 'cycle') {
      steps.push({ step: 'stop', requestId: requestId() }, { step: 'settle' });
      steps.push({ step: 'start', requestId: requestId() }, { step: 'settle' });
    } else if (what === 'stop-then-end') {
      steps.push({ step: 'stop', requestId: requestId() }, { step: 'wait', ms: random.between(0, 300) });
    } else if (what === 'firewall') {
      steps.push({ step: 'setFirewallRules', requestId: requestId(), port: random.between(1_024, 60_000) });
    } else if (what === 'tags') {
      steps.push({ step: 'updateTags', requestId: requestId(), value: String(random.between(0, 999)) });
    } else {
      steps.push({ step: what, requestId: requestId() }, { step: 'settle' });
    }
  }
  return [...steps, terminate];
}

function planKills(random: Random, spreadMs: number): PlannedKill[] {
  const kills = VICTIMS.length + Math.floor(spreadMs / 15_000);
  return Array.from({ length: kills }, (_, index): PlannedKill => {
    const afterMs = Math.round(((index + random.next()) / kills) * (spreadMs + 4_000));
    return { afterMs, victim: VICTIMS[index % VICTIMS.length] ?? 'worker', downForMs: random.between(100, 2_000) };
  });
}
