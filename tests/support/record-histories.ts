import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { instanceWorkflowId } from '../../src/domain/ids.js';
import { Injection } from './injection.js';
import { begin, type Life, type OwnFault } from './lives.js';
import { recordWatch } from './record-watch.js';
import { offerAt, openSlipway, type TestSlipway } from './slipway.js';

/*
 * Records a history of each scenario of the demo, and of an account's watch, from a real run:
 *
 *   SLIPWAY_RECORD=v0.2 npx vitest run tests/replay
 *
 * writes `tests/replay/v0.2.<scenario>.json` and replays them with all the others. Record anew with each release, beside
 * the old ones: what a released worker wrote must replay for as long as such an instance may live. A change that cannot replay them needs `patched()`, not a new recording.
 */

/** @returns the id of the workflow whose history is kept. */
type Scenario = (slipway: TestSlipway) => Promise<string>;

/** The refId whose create loses its worker. */
const LOST = 'worker-lost';

const once = (kind: OwnFault['kind'], location?: string): OwnFault => ({
  operation: 'create',
  kind,
  ...(location && { match: { location } }),
});

async function end(slipway: TestSlipway, life: Life): Promise<string> {
  await slipway.client.terminate(life.refId, { reason: 'recorded' });
  await life.until('terminated');
  return instanceWorkflowId(life.refId);
}

const SCENARIOS: Record<string, Scenario> = {
  straight: async (slipway) => {
    const rules = { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: ['127.0.0.0/8'] }] };
    const life = await begin(slipway, { tags: { team: 'a' }, firewallRules: rules });
    await life.until('ready');
    return await end(slipway, life);
  },
  'third-offer': async (slipway) => {
    const offers = ['us-west-1', 'us-east-1', 'eu-north-1'].map((place) => {
      return offerAt(slipway, place, 'gpu_1x_a100_sxm4');
    });
    const life = await begin(slipway, { offers }, once('out-of-stock', 'us-west-1'), once('out-of-stock', 'us-east-1'));
    await life.until('ready');
    return await end(slipway, life);
  },
  adopted: async (slipway) => {
    const life = await begin(slipway, {}, once('drop-answer-after-work'));
    await life.until('ready');
    return await end(slipway, life);
  },
  'quota-and-retry': async (slipway) => {
    const life = await begin(slipway, {}, once('quota'));
    await life.until('parked');
    await slipway.client.retry(life.refId, { actor: 'ann' });
    await life.until('ready');
    return await end(slipway, life);
  },
  /** Its worker is lost in the middle of the create: nobody answers, and what it made is found. */
  'worker-lost': async (slipway) => {
    const life = await begin(slipway, { refId: LOST });
    await life.until('ready', 60_000);
    return await end(slipway, life);
  },
  'stop-and-start': async (slipway) => {
    const life = await begin(slipway);
    const { client } = slipway;
    await life.until('ready');
    await client.stop(life.refId);
    await life.until('stopped');
    await client.updateTags(life.refId, { tags: { team: 'b' } });
    await client.start(life.refId);
    await life.until('ready');
    await client.reboot(life.refId);
    await life.seen('RebootAccepted');
    await life.until('ready');
    return await end(slipway, life);
  },
  /** While it boots, and the provider refuses at first. */
  terminate: async (slipway) => {
    const refuses: OwnFault = { operation: 'terminate', kind: 'terminate-refused', times: 2 };
    const life = await begin(slipway, { policy: { toTerminated: '1s' } }, once('never-boots'), refuses);
    await life.until('pending');
    return await end(slipway, life);
  },
  discard: async (slipway) => {
    const offers = [offerAt(slipway), offerAt(slipway, 'us-east-1')];
    const life = await begin(slipway, { offers }, once('boot-fails'));
    await life.until('ready');
    return await end(slipway, life);
  },
  /** Ready, and then gone without us: missed, made sure of, ended. */
  vanished: async (slipway) => {
    const life = await begin(slipway);
    const { cloudId = '' } = await life.until('ready');
    await slipway.cloud.control.vanish(cloudId);
    await life.until('terminated');
    return instanceWorkflowId(life.refId);
  },
  /** Still open when it was recorded: it must replay, too. */
  open: async (slipway) => {
    const life = await begin(slipway);
    await life.until('ready');
    return instanceWorkflowId(life.refId);
  },
  watch: recordWatch,
};

export const SCENARIO_NAMES = Object.keys(SCENARIOS);

/** One file per scenario, in the JSON that `temporal workflow show --output json` prints. */
export async function recordHistories(folder: string, release: string): Promise<void> {
  const injection = new Injection();
  injection.plan(LOST, 0, 'never answers');
  const slipway = await openSlipway({ interceptors: injection.interceptors, watchTiming: { settledIntervalMs: 300 } });
  try {
    const record = async ([name, scenario]: [string, Scenario]) => {
      const workflowId = await scenario(slipway);
      const history = await slipway.temporal.workflow.getHandle(workflowId).fetchHistory();
      const compact = JSON.stringify(JSON.parse(historyToJSON(history)));
      await writeFile(join(folder, `${release}.${name}.json`), `${compact}\n`);
    };
    await Promise.all(Object.entries(SCENARIOS).map(record));
  } finally {
    await slipway.close();
  }
}
