import type { Control } from './control.js';
import { CloudError, REFUSALS, type RefusalCode } from './errors.js';

/**
 * The control plane of a simcloud in another process, over HTTP.
 * @param url The cloud's own: `Simcloud.url`.
 */
export function createControlClient(url: string): Control {
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`${url}/_control${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok) throw toError(method, path, response.status, text);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };
  const machine = (id: string, act = ''): string => `/machines/${encodeURIComponent(id)}${act}`;
  return {
    ledger: () => call('GET', '/ledger'),
    report: (query) => call('POST', '/report', query ?? {}),
    calls: () => call('GET', '/calls'),
    shelves: () => call('GET', '/shelves'),
    setStock: (setting) => call('PUT', '/stock', setting),
    setQuota: (setting) => call('PUT', '/quota', setting),
    suspendAccount: (name, suspended) => call('PUT', '/accounts', { name, suspended }),
    addFault: (fault) => call('POST', '/faults', fault),
    faults: () => call('GET', '/faults'),
    removeFaults: (id) => call('DELETE', id === undefined ? '/faults' : `/faults?id=${encodeURIComponent(id)}`),
    setSchedule: (schedule) => call('PUT', '/schedule', schedule),
    advance: async (ms) => (await call<{ now: number }>('POST', '/clock/advance', { ms })).now,
    setTiming: (timing) => call('PUT', '/timing', timing),
    machine: (id) => call('GET', machine(id)),
    vanish: (id) => call('POST', machine(id, '/vanish')),
    fail: (id, message) => call('POST', machine(id, '/fail'), { message }),
    stop: (id) => call('POST', machine(id, '/stop')),
  };
}

function toError(method: string, path: string, status: number, text: string): Error {
  const body = parsed(text);
  const code = body?.error?.code;
  if (code !== undefined && Object.hasOwn(REFUSALS, code)) {
    return new CloudError(code as RefusalCode, body?.error?.message ?? '', { field: body?.error?.field });
  }
  return new Error(`simcloud: ${method} ${path} answered ${status}: ${text.slice(0, 200)}`);
}

function parsed(text: string): { error?: { code?: string; message?: string; field?: string } } | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
