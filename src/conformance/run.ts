import { ProviderError } from '../domain/errors.js';
import { toIsoTime } from '../domain/ids.js';
import { redact } from '../redact.js';
import type { Account } from './account.js';
import { type Check, NotApplicable, NotConforming } from './check.js';
import { costOf } from './cost.js';
import { cleanUp, leftByOthers } from './leftovers.js';
import { NoOffer, type Wanted } from './offer.js';
import { Recorder } from './recorder.js';
import { RefIds } from './ref-ids.js';
import type { CheckResult, ConformanceReport, Status } from './result.js';
import { REAL_SSH, Scene, type SshDoor } from './scene.js';
import { CONTRACT_TIMING, type Timing } from './timing.js';

export interface RunOptions {
  account: Account;
  checks: readonly Check[];
  wanted?: Wanted;
  timing?: Partial<Timing>;
  /** Aborted: no further check begins, and the cleaning up does. */
  signal?: AbortSignal;
  ssh?: SshDoor;
  /** Told each result as it comes. */
  onResult?: (result: CheckResult) => void;
  /** Told before machines are ended. */
  onCleanUp?: () => void;
}

/**
 * Runs the checks in order, on one machine that most of them share, and ends whatever was made: also after an abort, and
 * whatever a check throws. Never rejects for what a provider does.
 */
export async function runConformance(options: RunOptions): Promise<ConformanceReport> {
  const { account, checks, wanted = {}, signal = new AbortController().signal, ssh = REAL_SSH } = options;
  const timing = { ...CONTRACT_TIMING, ...options.timing };
  const startedAt = Date.now();
  const refIds = new RefIds();
  const scene = new Scene({ account, wanted, timing, signal, ssh, refIds, recorder: new Recorder() });
  const results: CheckResult[] = [];
  const reported = new Map<unknown, string>();
  let left: string[] = [];
  try {
    for (const check of checks) {
      if (signal.aborted) break;
      const result = await runCheck(check, scene, reported);
      results.push(result);
      options.onResult?.(result);
    }
  } finally {
    scene.hangUp();
    options.onCleanUp?.();
    left = await endEverything(scene, timing);
  }
  const offer = await scene.offer().catch(() => undefined);
  const count = (status: Status) => results.filter((result) => result.status === status).length;
  return {
    suite: 'slipway-conformance',
    version: 1,
    provider: account.provider,
    cloudCredRefId: account.cloudCredRefId,
    refIdPrefix: refIds.run,
    ...(offer && { offer: offer.id, cost: costOf(offer, timing) }),
    startedAt: toIsoTime(startedAt),
    durationMs: Date.now() - startedAt,
    isInterrupted: signal.aborted,
    passed: count('passed'),
    failed: count('failed'),
    skipped: count('skipped'),
    checks: results,
    left,
  };
}

/** With a signal of its own: nobody’s Ctrl-C keeps a machine alive. */
async function endEverything(scene: Scene, { goneMs, sideResourcesMs }: Timing): Promise<string[]> {
  const { provider, refIds, recorder } = scene;
  const within = (withinMs: number) => ({ signal: new AbortController().signal, withinMs });
  const orWhyNot = async (whose: string, left: Promise<string[]>): Promise<string[]> => {
    try {
      return (await left).map(redact);
    } catch (error) {
      return [`what ${whose} made cannot be listed: ${redact(wordsOf(error))}`];
    }
  };
  return [
    ...(await orWhyNot(refIds.run, cleanUp(provider, refIds, recorder.made, within(goneMs)))),
    ...(await orWhyNot('earlier runs', leftByOthers(provider, refIds, within(sideResourcesMs)))),
  ];
}

async function runCheck(check: Check, scene: Scene, reported: Map<unknown, string>): Promise<CheckResult> {
  const startedAt = performance.now();
  const end = (status: Status, evidence: string): CheckResult => {
    const { id, title } = check;
    return { id, title, status, evidence: redact(evidence), durationMs: Math.round(performance.now() - startedAt) };
  };
  try {
    if (check.can) await mustBeDeclared(scene, check.can);
    return end('passed', await check.run(scene));
  } catch (error) {
    if (error instanceof NotApplicable) return end('skipped', error.message);
    if (scene.signal.aborted) return end('skipped', 'interrupted');
    // What several checks wait for failed once, and has its name already.
    const earlier = reported.get(error);
    if (earlier !== undefined) return end('skipped', `needs what ${earlier} did not get`);
    reported.set(error, check.id);
    return end('failed', wordsOf(error));
  }
}

/** The three-level rule, as far as it is known before there is a machine. */
async function mustBeDeclared(scene: Scene, capability: NonNullable<Check['can']>): Promise<void> {
  if (!scene.can(capability)) throw new NotApplicable(`${capability} is not declared`);
  const { id, capabilities } = await scene.offer();
  const isAboutMachines = !['create-instance', 'instance-userdata', 'machine-image'].includes(capability);
  if (isAboutMachines && !capabilities.some((one) => one === capability))
    throw new NotApplicable(`${id} does not declare ${capability}`);
}

function wordsOf(error: unknown): string {
  if (error instanceof NotConforming || error instanceof NoOffer) return error.message;
  if (error instanceof ProviderError) return `${error.kind}: ${error.message}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
