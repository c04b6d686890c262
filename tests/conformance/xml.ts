export interface XmlElement {
  name: string;
  attributes: Record<string, string>;
  children: XmlElement[];
  text: string;
}

const TOKEN = /<\?xml [^?]*\?>|<\/([\w-]+)>|<([\w-]+)((?: [\w-]+="[^"<&]*(?:&(?:#\d+|\w+);[^"<&]*)*")*)(\/?)>|([^<]+)/y;

/** A strict reader of the XML that reports need: anything that is not well-formed throws. */
export function parseXml(xml: string): XmlElement {
  const root: XmlElement = { name: '', attributes: {}, children: [], text: '' };
  const open = [root];
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < xml.length; ) {
    const at = TOKEN.lastIndex;
    const token = TOKEN.exec(xml);
    if (!token) throw new Error(`not XML at ${JSON.stringify(xml.slice(at, at + 60))}`);
    const [, closing, opening, attributes = '', isEmpty, text] = token;
    const parent = open.at(-1) ?? root;
    if (closing !== undefined && open.pop()?.name !== closing) throw new Error(`</${closing}> closes nothing`);
    if (opening !== undefined) {
      const element = { name: opening, attributes: attributesOf(attributes), children: [], text: '' };
      parent.children.push(element);
      if (!isEmpty) open.push(element);
    }
    if (text !== undefined) parent.text += plain(text);
  }
  const [document] = root.children;
  if (open.length !== 1 || root.children.length !== 1 || !document) throw new Error('not one document');
  return document;
}

function attributesOf(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/ ([\w-]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, plain(value)]);
  const names = pairs.map(([name]) => name);
  if (new Set(names).size !== names.length) throw new Error(`an attribute comes twice: ${names.join(', ')}`);
  return Object.fromEntries(pairs);
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' };

function plain(text: string): string {
  for (const letter of text) {
    const code = letter.codePointAt(0) ?? 0;
    if (code < 0x20 && ![9, 10, 13].includes(code)) throw new Error(`a control character: ${code}`);
  }
  return text.replace(/&([^;]*);|&/g, (whole, name?: string) => {
    if (name?.startsWith('#')) return String.fromCodePoint(Number(name.slice(1)));
    const letter = name === undefined ? undefined : ENTITIES[name];
    if (letter === undefined) throw new Error(`not an entity: ${whole}`);
    return letter;
  });
}
