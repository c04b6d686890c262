import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

export type Env = Readonly<Record<string, string | undefined>>;
/** @param where File, index and field: `credentials.json [1].apiKey`. */
export type Report = (where: string, message: string) => void;

/** Where references in one JSON file lead. */
export interface Source {
  env: Env;
  /** As the environment names it: the one a person will look for. */
  file: string;
  report: Report;
}

/** @returns undefined when it was reported instead. */
export function readJson({ file, report }: Source): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    // A syntax error's own message quotes the text around it, which may be a key.
    report(file, error instanceof SyntaxError ? 'is not valid JSON' : `cannot be read (${codeOf(error)})`);
    return undefined;
  }
}

/**
 * The value with each `{ "env": "NAME" }` and `{ "file": "path" }` in it replaced by what it names, at any depth.
 * What cannot be resolved is reported and becomes undefined.
 */
export function resolveReferences(value: unknown, where: string, source: Source): unknown {
  if (Array.isArray(value)) return value.map((item, index) => resolveReferences(item, `${where}[${index}]`, source));
  if (!isFields(value)) return value;
  const reference = toReference(value);
  if (reference) return follow(reference, where, source);
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [name, resolveReferences(field, `${where}.${name}`, source)]),
  );
}

export type Reference = { env: string } | { file: string };

export function toReference(value: unknown): Reference | undefined {
  if (!isFields(value) || Object.keys(value).length !== 1) return undefined;
  if (typeof value.env === 'string') return { env: value.env };
  if (typeof value.file === 'string') return { file: value.file };
  return undefined;
}

/** The text behind a reference, without the line break at its end. @returns undefined when it was reported instead. */
export function follow(reference: Reference, where: string, { env, file, report }: Source): string | undefined {
  if ('env' in reference) {
    const value = env[reference.env]?.trim();
    if (!value) report(where, `environment variable ${reference.env} is ${value === '' ? 'empty' : 'not set'}`);
    return value || undefined;
  }
  const path = resolve(dirname(file), reference.file);
  try {
    const value = readFileSync(path, 'utf8').trim();
    if (!value) report(where, `file ${path} is empty`);
    return value || undefined;
  } catch (error) {
    report(where, `file ${path} cannot be read (${codeOf(error)})`);
    return undefined;
  }
}

export function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : 'unknown reason';
}
