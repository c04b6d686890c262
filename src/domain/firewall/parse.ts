import { isCidr } from './cidr.js';
import { normaliseRules } from './normalise.js';
import { type FirewallRule, type FirewallRules, isPort } from './rules.js';

/** `ufw allow in from 10.0.0.0/8 to any port 80`, and the three like it, alone on a line, quoted or tried. */
const COMMAND =
  /^(?:try | +- ")?ufw allow (?:(in) from (\S+) to any|(out) to (\S+)) port (\d+)(?::(\d+) proto (tcp|udp))?"?$/gm;

/**
 * Reads the rules back from a script or a cloud-config of ours, in normal form. Text of others has no rules.
 * @throws {SyntaxError} when it was changed into something we would not write: half of a range, no network, no port.
 */
export function parseUfwRules(text: string): FirewallRules {
  const found: Record<'in' | 'out', FirewallRule[]> = { in: [], out: [] };
  const halves = new Set<string>();
  for (const match of text.matchAll(COMMAND)) {
    const [line, isIn, source, , destination, from, to, proto] = match;
    const network = source ?? destination ?? '';
    const rule = { fromPort: Number(from), toPort: Number(to ?? from), ipRanges: network === 'any' ? [] : [network] };
    const isGood = isPort(rule.fromPort) && isPort(rule.toPort) && rule.fromPort <= rule.toPort;
    if (!isGood || !rule.ipRanges.every(isCidr)) throw new SyntaxError(`not a rule of ours: ${line.trim()}`);
    if (proto) {
      // A range stands twice, once per protocol; it counts at the second.
      const other = line.replace(/proto (tcp|udp)/, `proto ${proto === 'tcp' ? 'udp' : 'tcp'}`);
      if (!halves.delete(other)) {
        halves.add(line);
        continue;
      }
    }
    found[isIn ? 'in' : 'out'].push(rule);
  }
  const [half] = halves;
  if (half !== undefined) throw new SyntaxError(`open for one protocol only: ${half.trim()}`);
  return normaliseRules({ ingressRules: found.in, egressRules: found.out });
}
