import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

/*
 * What goes over the wire, held against the vendor's own OpenAPI document. The documents lie beside the repository,
 * not in it: where they are not, whoever asks must report it as skipped.
 */

const FOLDER = fileURLToPath(new URL('../../../shared/data/openapi/', import.meta.url));

export interface WireOptions {
  /** `lambdalabs.yaml` */
  file: string;
  /** What stands before the document's paths: `/lambda-labs`. */
  below: string;
  /** Where the answers are made up, as odd as each test needs: they are not looked at. */
  onlyRequests?: boolean;
  /** Faults that are right all the same, by a regular expression on their text, each with its reason. */
  exceptions?: readonly (readonly [fault: RegExp, because: string])[];
}

export interface WireTruth {
  isHere: boolean;
  /** Passes everything on, and notes what is not as the document says. */
  fetch: typeof fetch;
  /** The same, passed on to this one. */
  over(real: typeof fetch): typeof fetch;
  /** Each once, without the excepted. */
  faults(): string[];
  /** The exceptions that nothing needed. */
  unusedExceptions(): string[];
  /** `GET /instances/{id} 200`: what was seen and held against the document. */
  seen(): string[];
}

interface Operation {
  requestBody?: { content?: Record<string, { schema?: { properties?: Record<string, unknown> } }> };
  responses: Record<string, { content?: Record<string, { schema?: unknown }> }>;
  parameters?: { name: string; in: string }[];
}
type Paths = Record<string, Record<string, Operation>>;

const JSON_TYPE = 'application/json';

export function wireTruth({ file, below, exceptions = [], onlyRequests = false }: WireOptions): WireTruth {
  const faults = new Set<string>();
  const seen = new Set<string>();
  const isHere = existsSync(FOLDER + file);
  const check = isHere ? checkerOf(FOLDER + file) : undefined;

  const over: WireTruth['over'] = (real) => async (input, init) => {
    const response = await real(input, init);
    const { pathname, searchParams } = new URL(String(input));
    const call = { method: init?.method ?? 'GET', path: pathname.slice(below.length), query: [...searchParams.keys()] };
    const sent = typeof init?.body === 'string' ? init.body : undefined;
    const answered = onlyRequests ? undefined : { status: response.status, answer: await response.clone().text() };
    const found = check?.({ ...call, sent, ...answered });
    for (const fault of found?.faults ?? []) faults.add(fault);
    if (found) seen.add(found.about);
    return response;
  };
  return {
    isHere,
    fetch: over(globalThis.fetch), // as it is now: whoever puts ours in its place must not meet themselves
    over,
    faults: () => [...faults].filter((fault) => !exceptions.some(([pattern]) => pattern.test(fault))).sort(),
    unusedExceptions: () =>
      exceptions.filter(([pattern]) => ![...faults].some((fault) => pattern.test(fault))).map(([, because]) => because),
    seen: () => [...seen].sort(),
  };
}

interface Exchange {
  method: string;
  path: string;
  query: string[];
  sent: string | undefined;
  /** Absent: not looked at. */
  status?: number;
  answer?: string;
}

function checkerOf(path: string): (exchange: Exchange) => { about: string; faults: string[] } {
  const document = nullablesSpelledOut(parse(readFileSync(path, 'utf8'))) as { paths: Paths };
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(document, 'document');
  const validators = new Map<string, ValidateFunction>();
  const validate = (pointer: string[], text: string): string[] => {
    const ref = `document#/${pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;
    const validator = validators.get(ref) ?? ajv.compile({ $ref: ref });
    validators.set(ref, validator);
    const value = parseJson(text);
    if (value === undefined) return ['is not JSON'];
    validator(value);
    // Which values were wrong is in the message; which row of a list is not worth telling apart.
    return (validator.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${instancePath.replace(/\/\d+/g, '/*')} ${message} ${JSON.stringify(params)}`,
    );
  };

  return ({ method, path, query, sent, status, answer = '' }) => {
    // `/firewall-rulesets/global` before `/firewall-rulesets/{id}`.
    const template = document.paths[path] ? path : Object.keys(document.paths).find((known) => matches(known, path));
    const operation = template === undefined ? undefined : document.paths[template]?.[method.toLowerCase()];
    if (template === undefined || !operation) {
      return { about: `${method} ${path}`, faults: [`${method} ${path}: the document has no such operation`] };
    }
    const verb = method.toLowerCase();
    const faults: string[] = [];
    const schema = operation.requestBody?.content?.[JSON_TYPE]?.schema;
    if (sent !== undefined && schema) {
      faults.push(
        ...validate(['paths', template, verb, 'requestBody', 'content', JSON_TYPE, 'schema'], sent).map(request),
      );
      const known = propertiesOf(document, schema);
      const fields = Object.keys((parseJson(sent) ?? {}) as object);
      faults.push(
        ...fields.filter((field) => !known.has(field)).map((field) => request(`has ${field}, unknown there`)),
      );
    }
    if (sent !== undefined && !schema) faults.push(request('has a body, and should have none'));
    const parameters = new Set(
      (operation.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name),
    );
    faults.push(...query.filter((name) => !parameters.has(name)).map((name) => request(`asks ${name}, unknown there`)));

    const about = `${method} ${template}`;
    const told = () => faults.map((fault) => `${about} ${fault}`);
    if (status === undefined) return { about, faults: told() };
    const expected = operation.responses[String(status)];
    if (!expected) faults.push(`answered ${status}, and the document has no such answer`);
    else if (expected.content?.[JSON_TYPE]?.schema) {
      const pointer = ['paths', template, verb, 'responses', String(status), 'content', JSON_TYPE, 'schema'];
      faults.push(...validate(pointer, answer).map((fault) => `answered ${status}: ${fault}`));
    } else if (answer !== '') faults.push(`answered ${status} with a body, and should have none`);
    return { about: `${about} ${status}`, faults: told() };
  };
}

function request(fault: string): string {
  return `request: ${fault}`;
}

function matches(template: string, path: string): boolean {
  const parts = template.split('/');
  const actual = path.split('/');
  return parts.length === actual.length && parts.every((part, at) => part.startsWith('{') || part === actual[at]);
}

function propertiesOf(document: object, schema: { $ref?: string; properties?: object; allOf?: object[] }): Set<string> {
  const target = schema.$ref === undefined ? schema : (resolve(document, schema.$ref) as typeof schema);
  const inherited = (target.allOf ?? []).flatMap((part) => [...propertiesOf(document, part)]);
  return new Set([...Object.keys(target.properties ?? {}), ...inherited]);
}

function resolve(document: object, ref: string): unknown {
  const steps = ref.replace('#/', '').split('/');
  return steps.reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], document);
}

/** OpenAPI 3.0 says `nullable: true` where JSON Schema has a type `null`. */
function nullablesSpelledOut(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(nullablesSpelledOut);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.fromEntries(Object.entries(value).map(([key, field]) => [key, nullablesSpelledOut(field)]));
  return fields.nullable === true && typeof fields.type === 'string'
    ? { ...fields, type: [fields.type, 'null'] }
    : fields;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
