import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { BadInput } from './failure.js';
import { findJsonFault } from './json-fault.js';

/**
 * Reads one JSON value from a file, or from stdin for `-`.
 * @throws {BadInput} naming the file, and for a syntax error line and column.
 */
export async function readJsonFile(path: string): Promise<unknown> {
  const name = path === '-' ? 'stdin' : path;
  const content = (await readText(path, name)).replace(/^\uFEFF/, '');
  try {
    return JSON.parse(content);
  } catch {
    throw new BadInput(`${name} is not valid JSON ${toPlace(content)}`);
  }
}

async function readText(path: string, name: string): Promise<string> {
  if (path === '-') return await text(process.stdin);
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : `${code}`;
    throw new BadInput(`${name} cannot be read: ${why}.`);
  }
}

/** `at line 3, column 14: unexpected "}".` The text around it is not quoted: it may hold user data. */
function toPlace(content: string): string {
  const offset = findJsonFault(content);
  if (offset === undefined || offset >= content.trimEnd().length) return 'at its end: something is missing.';
  const before = content.slice(0, offset).split('\n');
  const column = (before.at(-1)?.length ?? 0) + 1;
  return `at line ${before.length}, column ${column}: unexpected ${JSON.stringify(content[offset])}.`;
}
