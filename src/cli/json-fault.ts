/**
 * Where JSON text stops being JSON. `JSON.parse` says so in some messages and some versions of Node only, and quotes
 * what it should not. Asked only about text that it has refused.
 */

const SPACE = /[ \t\n\r]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what a JSON string must not hold
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

class Fault {
  constructor(readonly offset: number) {}
}

/** The offset of the first character that cannot be there; undefined for valid JSON. */
export function findJsonFault(text: string): number | undefined {
  let at = 0;
  const match = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.test(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const skip = () => match(SPACE);
  const fail = (): never => {
    throw new Fault(at);
  };
  const take = (char: string): boolean => {
    skip();
    if (text[at] !== char) return false;
    at += 1;
    return true;
  };
  const items = (close: string, item: () => void): void => {
    if (take(close)) return;
    do item();
    while (take(','));
    if (!take(close)) fail();
  };
  const string = (): void => {
    skip();
    if (!match(STRING)) fail();
  };
  const value = (): void => {
    if (take('{')) {
      items('}', () => {
        string();
        if (!take(':')) fail();
        value();
      });
    } else if (take('[')) items(']', value);
    else if (!match(STRING) && !match(SCALAR)) fail();
  };
  try {
    value();
    skip();
    return at < text.length ? at : undefined;
  } catch (error) {
    if (error instanceof Fault) return error.offset;
    throw error;
  }
}
