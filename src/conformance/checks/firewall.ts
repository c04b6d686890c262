import { FirewallError, proveFirewall } from '../../activities/firewall/proof.js';
import type { FirewallClaim } from '../../activities/types.js';
import type { FirewallRules } from '../../domain/firewall.js';
import { type Check, NotApplicable, NotConforming } from '../check.js';
import { OPEN_PORT, type Scene } from '../scene.js';

const CHANGED_PORT = 8_443;
const WEB_PORT = 80;

const allowing = (...ports: number[]): FirewallRules => ({
  ingressRules: ports.map((port) => ({ fromPort: port, toPort: port, ipRanges: [] })),
  egressRules: [],
});

/*
 * The proof is the worker's own: a listener that is first shown to be alive from inside, so that nothing passes because
 * nothing listens. The first spare port is 9999, which no rule speaks of.
 */
export const FIREWALL: readonly Check[] = [
  {
    id: 'firewall.shut',
    title: 'a port that no rule allows does not answer from outside, and answers inside',
    run: (scene) => prove(scene, { rules: allowing() }),
  },
  {
    id: 'firewall.http',
    title: 'the web’s port 80 does not answer from outside without a rule, and answers inside',
    run: (scene) => prove(scene, { rules: allowing(), before: allowing(WEB_PORT) }, WEB_PORT),
  },
  {
    id: 'firewall.open',
    title: 'a port that a rule of the create allows answers from outside',
    run: async (scene) => {
      const { withoutRules } = await scene.machine();
      if (withoutRules) throw new NotApplicable(withoutRules);
      return await prove(scene, { rules: allowing(OPEN_PORT) }, OPEN_PORT);
    },
  },
  {
    id: 'firewall.change',
    title: 'a change of rules opens the new port and shuts the old one; the same rules again change nothing',
    can: 'modify-firewall',
    run: async (scene) => {
      const { provider, signal } = scene;
      const { cloudId, location } = await scene.running();
      const set = (rules: FirewallRules) => provider.setFirewallRules(cloudId, location, rules, signal);
      await set(allowing(CHANGED_PORT));
      await set(allowing(CHANGED_PORT));
      const evidence = await prove(scene, { rules: allowing(CHANGED_PORT), before: allowing(OPEN_PORT) }, CHANGED_PORT);
      await set(allowing(OPEN_PORT));
      return evidence;
    },
  },
];

/** @param mustSpeakOf A port that the evidence must name, or it was not proved. */
async function prove(scene: Scene, claim: FirewallClaim, mustSpeakOf?: number): Promise<string> {
  const connection = await scene.inside();
  const { publicAddress: host = '', sshPort: port, sshUser: user } = await scene.running();
  const target = { host, port, user, privateKey: scene.keys.worker.privateKey };
  const until = (timeoutMs = Number.POSITIVE_INFINITY) => ({
    timeoutMs: Math.min(timeoutMs, scene.timing.sshMs),
    signal: scene.signal,
  });
  try {
    const evidence = await proveFirewall(connection, target, claim, { until, settleMs: scene.timing.firewallMs });
    const isProved = mustSpeakOf === undefined || evidence.some((one) => one.startsWith(`port ${mustSpeakOf} `));
    if (!isProved) throw new NotApplicable(evidence.join('; '));
    return evidence.join('; ');
  } catch (error) {
    if (error instanceof FirewallError) throw new NotConforming(`${error.finding}: ${error.message}`);
    throw error;
  }
}
