import { INTERCONNECTS, type Interconnect } from './gpu-name.js';

/** NVLink is a network, and the 72 of `NVL72` is no count. */
const TOKENS = /(?<![a-z])(?:(pci-?e)(?![a-z])|(sxm\d?)(?!\d)|(nvl)(?:\d+)?(?![a-z])|(oam)(?![a-z0-9]))/g;

/** What the name says; where it says nothing, or `SXM` only, what the hint says. Never what the family suggests. */
export function formFactorOf(after: string, hint: string | undefined): Interconnect | undefined {
  const said = wordOf(after);
  const hinted = hint === undefined ? undefined : wordOf(hint.toLowerCase());
  if (said === 'SXM' && hinted?.startsWith('SXM')) return hinted;
  return said ?? hinted;
}

function wordOf(text: string): Interconnect | undefined {
  for (const [token] of text.matchAll(TOKENS)) {
    const word = token.replace('-', '').replace(/^nvl\d+$/, 'nvl');
    const known = INTERCONNECTS.find((one) => one.toLowerCase() === word);
    if (known) return known;
  }
  return undefined;
}
