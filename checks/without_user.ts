/** The URL of a proxy without the name and the password that it may have; a text that isn't a URL is left out. */
export function withoutUser(proxy: string): string {
  if (!URL.canParse(proxy)) return "a proxy";
  const { protocol, host } = new URL(proxy);
  return `${protocol}//${host}`;
}
