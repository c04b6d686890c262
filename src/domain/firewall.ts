/** What a machine's firewall allows: one meaning, one normal form, one renderer. The parts are in `firewall/`. */
import type { FirewallRules } from './firewall/rules.js';

export { renderAllowlist } from './firewall/allowlist.js';
export { isCidr, isIpv6 } from './firewall/cidr.js';
export { type CloudConfigOptions, renderCloudConfig } from './firewall/cloud-config.js';
export { diffRules, type RulesDifference } from './firewall/diff.js';
export { DOCKER_HOOK, DOCKER_SCRIPT, renderDockerScript } from './firewall/docker-user.js';
export { HOST_LOOK, type HostChangeScript, renderHostChange } from './firewall/host-change.js';
export { type HostOptions, renderLaunchScript } from './firewall/launch-script.js';
export { bothRules, normaliseRules, sameRules } from './firewall/normalise.js';
export { parseUfwRules } from './firewall/parse.js';
export { type FirewallRule, type FirewallRules, isPort, ruleInWords } from './firewall/rules.js';
export { type FirewallStrategy, type RuleIssue, RulesRefusedError, strategyIssues } from './firewall/strategy.js';
export { ufwRuleCommands } from './firewall/ufw.js';

export const NO_RULES: FirewallRules = { ingressRules: [], egressRules: [] };
