/**
 * Whether a device that its driver names `seen` is the one that a person calls `wanted`: its name holds the other's,
 * whole, whatever the case and the separators. `rtx4090` is in `NVIDIA GeForce RTX 4090`; `A10` is not in `NVIDIA A100`
 * and not in `NVIDIA A10G`. Names that differ by vendors' habits (`RTX 6000 Ada` against `L40`) are not known here.
 */
export function isGpu(seen: string, wanted: string): boolean {
  const parts = wanted.toLowerCase().match(/[a-z]+|\d+/g);
  if (!parts) return false;
  return new RegExp(`(?<![a-z0-9])${parts.join('[^a-z0-9]*')}(?![a-z0-9])`).test(seen.toLowerCase());
}
