/** ±20 %, the same for the same seed: a replay must choose alike, and a thousand waiters must not wake as one. */
export function jitter(ms: number, seed: string): number {
  return Math.round(ms * (0.8 + share(seed) * 0.4));
}

/** Up to so much, the same for the same seed. */
export function spread(ms: number, seed: string): number {
  return Math.round(ms * share(seed));
}

/** From 0 to 1. */
function share(seed: string): number {
  let hash = 2166136261;
  for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 16777619);
  return (hash >>> 0) / 2 ** 32;
}
