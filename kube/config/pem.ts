/** Whether the text has a PEM section whose label ends so, with base64 inside (RFC 7468). */
export function isPem(text: string, label: string): boolean {
  const section = new RegExp(
    `-----BEGIN (?:[A-Z ]+ )?${label}-----([^]*?)-----END (?:[A-Z ]+ )?${label}-----`,
  ).exec(text);
  // RFC 1421 headers of an old key, "Proc-Type: 4,ENCRYPTED", end at an empty line.
  const body = section?.[1]?.split(/\r?\n\r?\n/).at(-1)?.replace(/\s/g, "") ?? "";
  return /^[A-Za-z0-9+/]+={0,2}$/.test(body) && body.length % 4 === 0;
}
