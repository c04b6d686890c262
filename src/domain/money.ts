/** A price: a decimal string, so that no cent is lost to floating point, and an ISO 4217 currency. */
export interface Money {
  amount: string;
  currency: string;
}

const AMOUNT = /^\d{1,9}(?:\.\d{1,6})?$/;

export function isMoney(value: unknown): value is Money {
  const money = value as Partial<Money> | null;
  return (
    typeof money === 'object' &&
    money !== null &&
    typeof money.amount === 'string' &&
    AMOUNT.test(money.amount) &&
    typeof money.currency === 'string' &&
    /^[A-Z]{3}$/.test(money.currency)
  );
}

const MICROS = 1_000_000;

/** Millionths of the currency's unit, exact: what prices are compared and multiplied in. */
export function toMicros(money: Money): number {
  const [whole = '0', fraction = ''] = money.amount.split('.');
  return Number(whole) * MICROS + Number(fraction.padEnd(6, '0').slice(0, 6));
}

export function fromMicros(micros: number, currency: string): Money {
  const rounded = Math.round(micros);
  const fraction = String(rounded % MICROS)
    .padStart(6, '0')
    .replace(/0{1,4}$/, '');
  return { amount: `${Math.floor(rounded / MICROS)}.${fraction}`, currency };
}

/** What `pricePerHour` comes to over `durationMs`, rounded to a millionth. */
export function costOver(pricePerHour: Money, durationMs: number): Money {
  return fromMicros((toMicros(pricePerHour) * durationMs) / 3_600_000, pricePerHour.currency);
}
