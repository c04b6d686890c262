/*
 * Networks in CIDR form, read by hand: the domain has nothing else at hand, and what is read here enters scripts.
 * An octet with a leading zero is refused: some tools read it as octal, and then it is another network.
 */

const OCTET = /^(?:0|[1-9]\d{0,2})$/;
const PREFIX = /^(?:0|[1-9]\d{0,2})$/;
const HEXTET = /^[0-9a-f]{1,4}$/i;

interface Network {
  /** 4 groups of 8 bits, or 8 groups of 16. */
  groups: number[];
  prefix: number;
}

/** An IPv4 or IPv6 network in CIDR form; host bits may be set. */
export function isCidr(value: unknown): value is string {
  return typeof value === 'string' && parse(value) !== undefined;
}

export function isIpv6(cidr: string): boolean {
  return cidr.includes(':');
}

/** Whether the network is one address. */
export function isHost(cidr: string): boolean {
  const network = parse(cidr);
  return network !== undefined && network.prefix === widthOf(network) * network.groups.length;
}

/**
 * The one spelling of a network: host bits cleared, and IPv6 as RFC 5952 has it (lower case, the longest run of zero
 * groups as `::`). What is no CIDR comes back in lower case: to refuse is the validator's work.
 */
export function canonicalCidr(text: string): string {
  const network = parse(text);
  if (!network) return text.toLowerCase();
  const width = widthOf(network);
  const groups = network.groups.map((group, index) => {
    const kept = Math.min(width, Math.max(0, network.prefix - index * width));
    return group & (((1 << kept) - 1) << (width - kept));
  });
  const address = groups.length === 4 ? groups.join('.') : shortest(groups);
  return `${address}/${network.prefix}`;
}

function parse(text: string): Network | undefined {
  const [address = '', prefix = '', ...rest] = text.split('/');
  const groups = address.includes(':') ? parseV6(address) : parseV4(address);
  if (!groups || rest.length > 0 || !PREFIX.test(prefix)) return undefined;
  const widest = groups.length === 4 ? 32 : 128;
  return Number(prefix) <= widest ? { groups, prefix: Number(prefix) } : undefined;
}

function parseV4(address: string): number[] | undefined {
  const octets = address.split('.');
  const isGood = octets.length === 4 && octets.every((octet) => OCTET.test(octet) && Number(octet) <= 255);
  return isGood ? octets.map(Number) : undefined;
}

function parseV6(address: string): number[] | undefined {
  const halves = address.split('::').map((half) => (half === '' ? [] : half.split(':')));
  const [head = [], tail] = halves;
  if (halves.length > 2 || ![...head, ...(tail ?? [])].every((group) => HEXTET.test(group))) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail ? missing < 1 : missing !== 0) return undefined;
  const zeros = Array.from({ length: missing }, () => '0');
  return [...head, ...zeros, ...(tail ?? [])].map((group) => Number.parseInt(group, 16));
}

function widthOf({ groups }: Network): number {
  return groups.length === 4 ? 8 : 16;
}

function shortest(groups: number[]): string {
  let best = { start: 0, length: 1 }; // a single zero group is written out
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.length === 1) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}
