import { lookup } from "node:dns/promises";
import { parseAddress } from "./address.ts";

/** "localhost" is both loopback addresses (RFC 6761 section 6.3), whatever /etc/hosts says: some servers listen on one alone. */
const LOOPBACK = ["127.0.0.1", "::1"] as const;

/**
 * The addresses of a host on which a program of the user is to be reached, in the order in which they are dialled.
 * @throws when the host's name has no address
 */
export async function hostAddresses(host: string): Promise<readonly string[]> {
  const name = host.toLowerCase().replace(/\.$/, "");
  if (name === "localhost" || name.endsWith(".localhost")) return LOOPBACK;
  const literal = parseAddress(host);
  if (literal) return [literal.text];
  return (await lookup(host, { all: true })).map(({ address }) => address);
}
