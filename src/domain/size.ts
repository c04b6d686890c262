export const SIZE_UNITS = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  PB: 1e15,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  PiB: 2 ** 50,
} as const;

export type SizeUnit = keyof typeof SIZE_UNITS;

/** A size as its source gave it: the unit is kept, since GB and GiB differ by 7 %. */
export interface Size {
  value: number;
  unit: SizeUnit;
}

export function isSize(value: unknown): value is Size {
  const size = value as Partial<Size> | null;
  return (
    typeof size === 'object' &&
    size !== null &&
    typeof size.value === 'number' &&
    Number.isFinite(size.value) &&
    size.value > 0 &&
    typeof size.unit === 'string' &&
    Object.hasOwn(SIZE_UNITS, size.unit)
  );
}

export function toBytes(size: Size): number {
  return Math.trunc(size.value * SIZE_UNITS[size.unit]);
}

/** The same size in `unit`, truncated toward zero. */
export function toUnit(size: Size, unit: SizeUnit): Size {
  return { value: Math.trunc(toBytes(size) / SIZE_UNITS[unit]), unit };
}
