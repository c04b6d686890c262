/**
 * Whether a device that its driver names `seen` is the one that a person calls `wanted`: for now, whether its name holds
 * the other's letters and digits, whole words only, whatever the case and the separators.
 */
export function isGpu(seen: string, wanted: string): boolean {
  const [has, needs] = [wordsOf(seen), wordsOf(wanted)];
  return needs.length > 0 && has.some((_word, at) => needs.every((word, index) => has[at + index] === word));
}

function wordsOf(name: string): string[] {
  return name.toLowerCase().match(/[a-z0-9]+/g) ?? [];
}
