/** Where a word ends, and what may stand between two parts of a name, or not. Both are sources of regular expressions. */
export const SEPARATORS = '[\\s_\\-.:/,()]*';
export const END_OF_WORD = '(?![a-z0-9])';

/** Longer names are cut: nobody's GPU is called so, and looking must stay cheap. */
const MOST_CHARACTERS = 256;

/** The part of a provider's text that may name a GPU, in lower case; what would be misread is blanked. */
export function subjectOf(raw: string): string {
  const text = raw
    .slice(0, MOST_CHARACTERS)
    .toLowerCase()
    .replace(/×/g, 'x')
    .replace(/\((?:r|tm)\)|[®™]/g, '');
  return ec2Gpu(inBrackets(text)).replace(UUID, ' ').replace(HEX_ID, ' ');
}

const UUID = /(?<![a-z0-9])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![a-z0-9])/g;
const HEX_ID = /(?<![a-z0-9])[0-9a-f]{16,}(?![a-z0-9])/g;

/** The PCI list puts the product into brackets, behind the chip: `GH100 [H200 NVL]`. */
function inBrackets(text: string): string {
  return /\[([^[\]]+)\]/.exec(text)?.[1] ?? text;
}

/** EC2's `t4g.medium` is a CPU machine, not a T4G. It names a GPU behind a dash only: `p6-b200.48xlarge`. */
function ec2Gpu(text: string): string {
  const [, family] = /^([a-z0-9-]+)\.(?:nano|micro|small|medium|large|\d*xlarge|metal(?:-\d+xl)?)$/.exec(text) ?? [];
  if (family === undefined) return text;
  const [, ...named] = family.split('-');
  return named.join('-');
}
