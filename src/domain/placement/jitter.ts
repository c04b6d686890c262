/** ±20 %, the same for the same seed: a replay must choose alike, and a thousand waiters must not wake as one. */
export function jitter(ms: number, seed: string): number {
  let hash = 2166136261;
  for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 16777619);
  return Math.round(ms * (0.8 + ((hash >>> 0) / 2 ** 32) * 0.4));
}
