import { ProviderError } from '../domain/errors.js';
import { type FirewallRule, ruleInWords } from '../domain/firewall.js';

/** One call that changes a machine's firewall. */
export interface RuleChange {
  change: 'open' | 'close';
  rule: FirewallRule;
  run(): Promise<void>;
}

/**
 * Makes the calls one after another; the first that fails ends it. The error then says which changes are made and which
 * are not: a firewall that was changed in part is neither the old one nor the new.
 * @throws {ProviderError} as `toError` has it, with that in its message.
 */
export async function changeRules(changes: readonly RuleChange[], toError: (error: unknown) => ProviderError) {
  for (const [index, { run }] of changes.entries()) {
    try {
      await run();
    } catch (error) {
      const { fact, cause } = toError(error);
      const message = `${fact.message}. ${progress(changes.slice(0, index), changes.slice(index))}`;
      throw new ProviderError({ ...fact, message }, cause);
    }
  }
}

function progress(made: readonly RuleChange[], missing: readonly RuleChange[]): string {
  const done = made.length > 0 ? `Done: ${inWords(made)}.` : 'Nothing was changed.';
  return `${done} Not done: ${inWords(missing)}.`;
}

function inWords(changes: readonly RuleChange[]): string {
  return changes.map(({ change, rule }) => `${change} ${ruleInWords(rule)}`).join('; ');
}
