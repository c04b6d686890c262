/** A private key, alone or inside a JSON document, where its lines end with a backslash and an n. */
export const PEM = /-----BEGIN (?:RSA )?PRIVATE KEY-----[\s\S]*?-----END (?:RSA )?PRIVATE KEY-----/;

/** As it stands inside a JSON string, and in what Node prints of an object. */
export function jsonEscaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** What to look for so that a secret is found however it is printed: its PEM alone, and its lines escaped or not. */
export function formsOf(secret: string): string[] {
  const [pem] = PEM.exec(secret) ?? [];
  const all = pem === undefined ? [secret] : [secret, pem, pem.replaceAll('\\n', '\n')];
  return [...new Set(all.flatMap((one) => [one, jsonEscaped(one)]))];
}

/** The same for a text in base64, also where other text stands before it: three letters of text are four of base64. */
export function base64FormsOf(text: string): string[] {
  return [0, 1, 2].map((shift) => {
    const encoded = Buffer.from(`${' '.repeat(shift)}${text}`).toString('base64');
    return encoded.slice(shift === 0 ? 0 : 4, -4); // without what depends on the text around it
  });
}
